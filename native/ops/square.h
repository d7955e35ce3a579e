// Squared norms and squared differences of rows, in float64 whatever the rows' type: O(n d) work beside the
// O(n m d) of the matrix product, and what the exactness of every distance rests on.
#pragma once

#include "core.h"
#include "ops/number.h"

namespace horoball {
namespace {

constexpr int kStrands = 8;  // independent sums, so that the compiler can use a register of them

// |x|^2 as an unevaluated sum, right to about 1e-31.
struct Square {
  double high = 0, low = 0;
};

// high + low += value, exactly but for low's own rounding.
HD void add(Square& sum, double value) {
  const double total = sum.high + value, back = total - sum.high;
  sum.low += (sum.high - (total - back)) + (value - back);
  sum.high = total;
}

// high[l] + low[l] += v^2. A float's square is exact, and its sum in float64 more than float32 can tell.
HD void add_square(float x, double& high, double&) {
  const double v = static_cast<double>(x);
  high += v * v;
}
HD void add_square(double v, double& high, double& low) {
  const double product = v * v, error = fma(v, v, -product);
  const double total = high + product, back = total - high;
  low += ((high - (total - back)) + (product - back)) + error;
  high = total;
}

// The sum of the strands. Of floats in a tree: a chain of exact additions would take longer than a row's
// squares.
HD Square joined(const double (&high)[kStrands], const double (&)[kStrands], float) {
  return {((high[0] + high[1]) + (high[2] + high[3])) + ((high[4] + high[5]) + (high[6] + high[7])), 0};
}
HD Square joined(const double (&high)[kStrands], const double (&low)[kStrands], double) {
  Square sum;
  for (int l = 0; l < kStrands; ++l) {
    add(sum, high[l]);
    sum.low += low[l];
  }
  return sum;
}

// sum of sign_k x_k^2, where only the first sign may be negative. A function of its own: within a longer one
// the compiler does not see that the strands fit a register.
template <class T>
[[gnu::noinline]] Square square(const T* x, std::int64_t depth, bool minkowski) {
  double high[kStrands] = {}, low[kStrands] = {};
  const std::int64_t whole = depth / kStrands * kStrands;
  for (std::int64_t k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) add_square(x[k + l], high[l], low[l]);
  }
  Square sum = joined(high, low, T{});
  for (std::int64_t k = whole; k < depth; ++k) {
    const double v = static_cast<double>(x[k]), product = v * v;
    add(sum, product);
    sum.low += fma(v, v, -product);
  }
  if (minkowski && depth > 0) {
    const double time = static_cast<double>(x[0]), product = time * time;
    for (int twice = 0; twice < 2; ++twice) {
      add(sum, -product);
      sum.low -= fma(time, time, -product);
    }
  }
  return sum;
}

// sum of x_k y_k, summed in float64.
template <class T>
HD double inner_product(const T* x, const T* y, std::int64_t depth) {
  double strand[kStrands] = {};
  const std::int64_t whole = depth / kStrands * kStrands;
  for (std::int64_t k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l)
      strand[l] += static_cast<double>(x[k + l]) * static_cast<double>(y[k + l]);
  }
  double sum = 0;
  for (std::int64_t k = whole; k < depth; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(y[k]);
  for (int l = 0; l < kStrands; ++l) sum += strand[l];
  return sum;
}

// 1 - c n.
HD double one_minus(double c, const Square& n) {
  const double product = c * n.high, error = fma(c, n.high, -product);
  return ((1 - product) - error) - c * n.low;
}

// sum of (x_k - y_k)^2 but for the first, which counts negatively; at least 0. Far out nearly all of it
// cancels: squares of float64 are summed exactly.
template <class T>
HD_LOOP double minkowski_difference(const T* x, const T* y, std::int64_t depth) {
  double high[kStrands] = {}, low[kStrands] = {};
  const auto difference = [=](std::int64_t k) {
    return static_cast<double>(x[k]) - static_cast<double>(y[k]);
  };
  const auto add_one = [](double v, double& high, double& low) {
    if constexpr (sizeof(T) == 4) {
      high += v * v;
    } else {
      add_square(v, high, low);
    }
  };
  const std::int64_t whole = depth / kStrands * kStrands;
  for (std::int64_t k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) add_one(difference(k + l), high[l], low[l]);
  }
  for (std::int64_t k = whole; k < depth; ++k) add_one(difference(k), high[k - whole], low[k - whole]);
  Square sum = joined(high, low, T{});
  if (depth > 0) {
    const double time = difference(0), product = time * time;
    add(sum, -2 * product);
    sum.low -= 2 * fma(time, time, -product);
  }
  const double s = sum.high + sum.low;
  return s < 0 ? 0 : s;
}

// sum of sign_k (a x_k - b y_k)^2, every term right to float64; of minkowski rows a and b are 1.
template <class T>
HD_LOOP double squared_difference(const T* x, double a, const T* y, double b, std::int64_t depth,
                                  bool minkowski) {
  if (minkowski) return minkowski_difference(x, y, depth);
  double strand[kStrands] = {};
  const std::int64_t whole = depth / kStrands * kStrands;
  for (std::int64_t k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) {
      const double v = a * static_cast<double>(x[k + l]) - b * static_cast<double>(y[k + l]);
      strand[l] += v * v;
    }
  }
  double sum = 0;
  for (std::int64_t k = whole; k < depth; ++k) {
    const double v = a * static_cast<double>(x[k]) - b * static_cast<double>(y[k]);
    sum += v * v;
  }
  for (int l = 0; l < kStrands; ++l) sum += strand[l];
  return sum;
}

}  // namespace
}  // namespace horoball
