// The operations that a card may use on a number: float, double, or a vector type with functions of the same
// names.
#pragma once

#include <cmath>

#include "ops/hd.h"

namespace horoball {
namespace {

using Index = long long;  // of a coordinate

template <class V>
struct ScalarOf {
  using Type = typename V::Scalar;
};
template <>
struct ScalarOf<float> {
  using Type = float;
};
template <>
struct ScalarOf<double> {
  using Type = double;
};

// Returns a constant, rounded to the precision of the number.
template <class V>
HD V constant(double x) {
  return V(static_cast<typename ScalarOf<V>::Type>(x));
}
template <class V>
constexpr bool kIsSingle = sizeof(typename ScalarOf<V>::Type) == 4;

HD float sqrt(float x) { return std::sqrt(x); }
HD double sqrt(double x) { return std::sqrt(x); }
HD float log1p(float x) { return std::log1p(x); }
HD double log1p(double x) { return std::log1p(x); }
// log1p for arguments known to be finite, which is faster for vectors.
HD float log1p_finite(float x) { return std::log1p(x); }
HD double log1p_finite(double x) { return std::log1p(x); }
HD float exp(float x) { return std::exp(x); }
HD double exp(double x) { return std::exp(x); }
HD float log(float x) { return std::log(x); }
HD double log(double x) { return std::log(x); }
HD float fma(float a, float b, float c) { return std::fma(a, b, c); }
HD double fma(double a, double b, double c) { return std::fma(a, b, c); }
HD float where(bool mask, float yes, float no) { return mask ? yes : no; }
HD double where(bool mask, double yes, double no) { return mask ? yes : no; }
HD int where(bool mask, int yes, int no) { return mask ? yes : no; }

// Returns the second argument if either is NaN.
HD float min(float a, float b) { return a < b ? a : b; }
HD double min(double a, double b) { return a < b ? a : b; }
HD float max(float a, float b) { return a > b ? a : b; }
HD double max(double a, double b) { return a > b ? a : b; }

// Whether a comparison holds in any lane.
HD bool any_lane(float, bool mask) { return mask; }
HD bool any_lane(double, bool mask) { return mask; }

}  // namespace
}  // namespace horoball
