// The weights of PIL's bicubic resize along one axis: each output pixel is a weighted sum of a span of source
// pixels.
#pragma once

#include <cstdint>
#include <vector>

namespace horoball::image {

// The number of fractional bits of fixed-point weights, as in PIL. A weighted sum of 8-bit values then fits in 32 bits:
// two bits remain for its sign and for values above 255.
inline constexpr int kWeightBits = 32 - 8 - 2;

// The spans of output pixels [first, first + count) of an axis that is resized from `from` to `to` pixels.
struct Axis {
  struct Span {
    std::int32_t begin, end;  // source pixels [begin, end)
    const std::int32_t* weights;
  };

  Axis(std::int32_t from, std::int32_t to, std::int32_t first, std::int32_t count);

  std::int32_t count() const { return static_cast<std::int32_t>(begin_.size()); }
  Span operator[](std::int32_t i) const {
    return {begin_[i], end_[i], weights_.data() + static_cast<std::int64_t>(i) * stride_};
  }
  // All spans are within source pixels [begin(), end()).
  std::int32_t begin() const { return begin_.front(); }
  std::int32_t end() const { return end_.back(); }

 private:
  std::int32_t stride_;
  std::vector<std::int32_t> begin_, end_, weights_;
};

}  // namespace horoball::image
