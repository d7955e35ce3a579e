#include "kernel.h"

#include <algorithm>
#include <cmath>

namespace horoball::image {
namespace {

// Returns the weight at distance x of Keys' cubic convolution with a = -1/2 (R. Keys, 1981), which has support 2.
double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

std::int32_t fixed_point(double weight) {
  return static_cast<std::int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

}  // namespace

Axis::Axis(std::int32_t from, std::int32_t to, std::int32_t first, std::int32_t count)
    : begin_(count), end_(count) {
  const double scale = static_cast<double>(from) / to;
  const double stretch = std::max(scale, 1.0);  // shrinking widens the support, which prevents aliasing
  const double support = 2 * stretch;
  stride_ = 2 * static_cast<std::int32_t>(std::ceil(support)) + 1;
  weights_.resize(static_cast<std::size_t>(count) * stride_);
  std::vector<double> exact(stride_);
  for (std::int32_t i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const auto begin = std::max(static_cast<std::int32_t>(center - support + 0.5), 0);
    const auto end = std::min(static_cast<std::int32_t>(center + support + 0.5), from);
    double sum = 0;
    for (std::int32_t x = begin; x < end; ++x) {
      exact[x - begin] = bicubic((x - center + 0.5) * (1 / stretch));
      sum += exact[x - begin];
    }
    for (std::int32_t x = begin; x < end; ++x) {
      const double weight = sum == 0 ? exact[x - begin] : exact[x - begin] / sum;
      weights_[static_cast<std::size_t>(i) * stride_ + (x - begin)] = fixed_point(weight);
    }
    begin_[i] = begin;
    end_[i] = end;
  }
}

}  // namespace horoball::image
