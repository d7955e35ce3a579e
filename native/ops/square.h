// Norms, inner products and squared differences of rows, in float64 for either element type, because the accuracy of every
// distance depends on them. Norms are O(n d) work next to the O(n m d) of the matrix product.
#pragma once

#include "ops/number.h"

namespace horoball {
namespace {

constexpr int kStrands = 8;  // independent partial sums, which the compiler keeps in vector registers

// |x|^2 as the unevaluated sum of two numbers; accurate to about 1e-31 for float64 rows.
struct Square {
  double high = 0, low = 0;
  HD double value() const { return high + low; }
};

// high + low += value, exact except for the rounding of low; V is a double or a vector of them.
template <class V>
HD void add_exactly(V& high, V& low, V value) {
  const V total = high + value, back = total - high;
  low += (high - (total - back)) + (value - back);
  high = total;
}
HD void add(Square& sum, double value) { add_exactly(sum.high, sum.low, value); }

// high + low += v^2. The square of a float is exact in float64, and the sum needs no compensation for a float32 result.
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

// Returns the sum of the strands. For floats it is a tree: a chain of exact additions would take longer than the squares
// of a row.
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

// sum of sign_k x_k^2, where only the first sign may be negative. Never inlined: within a longer function the
// compiler no longer keeps the strands in registers.
template <class T>
[[gnu::noinline]] Square square(const T* x, Index depth, bool minkowski) {
  double high[kStrands] = {}, low[kStrands] = {};
  const Index whole = depth / kStrands * kStrands;
  for (Index k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) add_square(x[k + l], high[l], low[l]);
  }
  Square sum = joined(high, low, T{});
  for (Index k = whole; k < depth; ++k) {
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
HD double inner_product(const T* x, const T* y, Index depth) {
  double strand[kStrands] = {};
  const Index whole = depth / kStrands * kStrands;
  for (Index k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l)
      strand[l] += static_cast<double>(x[k + l]) * static_cast<double>(y[k + l]);
  }
  double sum = 0;
  for (Index k = whole; k < depth; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(y[k]);
  for (int l = 0; l < kStrands; ++l) sum += strand[l];
  return sum;
}

// 1 - c n, accurate to the last digit.
HD double one_minus(double c, const Square& n) {
  const double product = c * n.high, error = fma(c, n.high, -product);
  const double rest = 1 - product;
  const double lost = (1 - rest) - product;  // rest + lost is 1 - product exactly
  return rest + (lost - error - c * n.low);
}

// 1/|x| for a row whose squared norm is not in the range of float64: the row is first multiplied by a power of two.
HD_LOOP double inverse_norm_scaled(const double* x, Index depth) {
  double largest = 0;
  for (Index k = 0; k < depth; ++k) {
    if (std::fabs(x[k]) > largest) largest = std::fabs(x[k]);
  }
  if (!(largest < HUGE_VAL)) return NAN;
  const double factor = largest < 1 ? 0x1p600 : 0x1p-600;
  double sum = 0;
  for (Index k = 0; k < depth; ++k) sum += (factor * x[k]) * (factor * x[k]);
  return largest > 0 ? factor / std::sqrt(sum) : 0;
}

// Returns 1/|x|, given the row and its square. Returns 0 for a zero row, and for a row with NaN: its NaN coordinates stay
// NaN when they are multiplied by 0.
HD double inverse_norm(const float*, Index, const Square& n) {
  return n.high > 0 ? 1 / std::sqrt(n.high + n.low) : 0;
}
HD double inverse_norm(const double* x, Index depth, const Square& n) {
  if (n.high > 0x1p-960 && n.high < HUGE_VAL) return 1 / std::sqrt(n.high + n.low);
  return n.high == n.high ? inverse_norm_scaled(x, depth) : 0;
}

// sum of sign_k (x_k - y_k)^2, where the first sign is negative; at least 0. Far from the origin nearly all of it
// cancels, so float64 squares are summed with compensation.
template <class T>
HD_LOOP double minkowski_difference(const T* x, const T* y, Index depth) {
  double high[kStrands] = {}, low[kStrands] = {};
  const auto difference = [=](Index k) { return static_cast<double>(x[k]) - static_cast<double>(y[k]); };
  const auto add_one = [](double v, double& high, double& low) {
    if constexpr (sizeof(T) == 4) {
      high += v * v;
    } else {
      add_square(v, high, low);
    }
  };
  const Index whole = depth / kStrands * kStrands;
  for (Index k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) add_one(difference(k + l), high[l], low[l]);
  }
  for (Index k = whole; k < depth; ++k) add_one(difference(k), high[k - whole], low[k - whole]);
  Square sum = joined(high, low, T{});
  if (depth > 0) {
    const double time = difference(0), product = time * time;
    add(sum, -2 * product);
    sum.low -= 2 * fma(time, time, -product);
  }
  const double s = sum.high + sum.low;
  return s < 0 ? 0 : s;
}

// sum of sign_k (a x_k - b y_k)^2, with every term accurate in float64; for minkowski rows a and b are 1.
template <class T>
HD_LOOP double squared_difference(const T* x, double a, const T* y, double b, Index depth, bool minkowski) {
  if (minkowski) return minkowski_difference(x, y, depth);
  double strand[kStrands] = {};
  const Index whole = depth / kStrands * kStrands;
  for (Index k = 0; k < whole; k += kStrands) {
    for (int l = 0; l < kStrands; ++l) {
      const double v = a * static_cast<double>(x[k + l]) - b * static_cast<double>(y[k + l]);
      strand[l] += v * v;
    }
  }
  double sum = 0;
  for (Index k = whole; k < depth; ++k) {
    const double v = a * static_cast<double>(x[k]) - b * static_cast<double>(y[k]);
    sum += v * v;
  }
  for (int l = 0; l < kStrands; ++l) sum += strand[l];
  return sum;
}

}  // namespace
}  // namespace horoball
