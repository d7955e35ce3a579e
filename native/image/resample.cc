#include "resample.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernel.h"
#include "unpack.h"

namespace horoball::image {
namespace {

// If the compiler supports it, the weighted sums are also compiled for AVX2 and SSE4.1, and the version is selected when the
// addon is loaded.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__)
#define HOROBALL_CLONES __attribute__((target_clones("avx2", "sse4.1", "default")))
#else
#define HOROBALL_CLONES
#endif

using Bytes = std::vector<std::uint8_t>;

// weigh() computes kLanes sums at once; in the horizontal pass, those of 3 channels of 16 rows.
constexpr int kBlockRows = 16;
constexpr int kLanes = 3 * kBlockRows;

// out[j] = sum over k of weights[k] * rows[k * stride + j], rounded to 8 bits, as PIL does after each
// pass.
HOROBALL_CLONES void weigh(const std::int32_t* weights, int taps, const std::uint8_t* rows,
                           std::size_t stride, std::uint8_t* out) {
  std::int32_t sums[kLanes];
  for (int j = 0; j < kLanes; ++j) sums[j] = 1 << (kWeightBits - 1);
  for (int k = 0; k < taps; ++k) {
    const std::uint8_t* row = rows + k * stride;
    for (int j = 0; j < kLanes; ++j) sums[j] += weights[k] * row[j];
  }
  for (int j = 0; j < kLanes; ++j)
    out[j] = static_cast<std::uint8_t>(std::clamp(sums[j] >> kWeightBits, 0, 255));
}

// Returns the length of a row of `width` pixels, padded to whole blocks of kLanes values so that `weigh` has no remainder.
std::size_t padded(std::int32_t width) {
  return (3 * width + kLanes - 1) / kLanes * static_cast<std::size_t>(kLanes);
}

bool blends(const ResampleArgs& a) {
  return a.background != kDropAlpha && (a.layout == Layout::gray_alpha || a.layout == Layout::rgba);
}

// Runs the horizontal pass over the box's rows [begin, end), kBlockRows at a time. The rows are transposed first,
// so that the channels of one column of pixels are contiguous. Returns rows of `size` pixels.
Bytes shrink_rows(const ResampleArgs& a, const Axis& across, std::int32_t begin, std::int32_t end) {
  const std::size_t pitch = padded(a.size);
  Bytes out(pitch * (end - begin));
  Bytes transposed(static_cast<std::size_t>(across.end() - across.begin()) * kLanes);
  const int depth = channels(a.layout);
  for (std::int32_t row = begin; row < end; row += kBlockRows) {
    const int rows = std::min(kBlockRows, end - row);
    for (int r = 0; r < rows; ++r) {
      const std::size_t first = static_cast<std::size_t>(a.top + row + r) * a.width + a.left + across.begin();
      const std::uint8_t* from = a.pixels + first * depth;
      const std::int32_t count = across.end() - across.begin();
      if (blends(a)) {
        unpack_over(a.layout, static_cast<std::uint32_t>(a.background), from, count,
                    transposed.data() + 3 * r, kLanes);
      } else {
        unpack(a.layout, from, count, transposed.data() + 3 * r, kLanes);
      }
    }
    for (std::int32_t x = 0; x < a.size; ++x) {
      const auto span = across[x];
      std::uint8_t column[kLanes];
      const std::size_t from = static_cast<std::size_t>(span.begin - across.begin()) * kLanes;
      weigh(span.weights, span.end - span.begin, transposed.data() + from, kLanes, column);
      std::uint8_t* to = out.data() + pitch * (row - begin) + 3 * (a.flip ? a.size - 1 - x : x);
      for (int r = 0; r < rows; ++r) std::copy_n(column + 3 * r, 3, to + pitch * r);
    }
  }
  return out;
}

// Runs the vertical pass, which writes to `a.out`.
void shrink_columns(const ResampleArgs& a, const Axis& down, const Bytes& rows) {
  const std::size_t pitch = padded(a.size);
  const std::size_t length = 3 * static_cast<std::size_t>(a.size);
  for (std::int32_t y = 0; y < a.size; ++y) {
    const auto span = down[y];
    const std::uint8_t* from = rows.data() + pitch * (span.begin - down.begin());
    for (std::size_t j = 0; j < length; j += kLanes) {
      std::uint8_t lanes[kLanes];
      weigh(span.weights, span.end - span.begin, from + j, pitch, lanes);
      std::copy_n(lanes, std::min<std::size_t>(kLanes, length - j), a.out + y * length + j);
    }
  }
}

// Whether [first, first + count) is within [0, length) and not empty.
bool inside(std::int32_t first, std::int32_t count, std::int32_t length) {
  return first >= 0 && count > 0 && count <= length && first <= length - count;
}

}  // namespace

bool consistent(const ResampleArgs& a) {
  return a.background >= kDropAlpha && a.background <= 255 && a.pixels != nullptr && a.out != nullptr &&
         inside(a.top, a.box_height, a.height) && inside(a.left, a.box_width, a.width) &&
         inside(a.window_top, a.size, a.out_height) && inside(a.window_left, a.size, a.out_width);
}

void resample(const ResampleArgs& a) {
  const Axis across(a.box_width, a.out_width, a.window_left, a.size);
  const Axis down(a.box_height, a.out_height, a.window_top, a.size);
  shrink_columns(a, down, shrink_rows(a, across, down.begin(), down.end()));
}

}  // namespace horoball::image
