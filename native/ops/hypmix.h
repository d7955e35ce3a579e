// The published guards: biased denominators, clamped functions, minimum norms. Where a clamp acts, gradients follow the
// published code: straight-through for artanh and arsinh, zero for tanh and norms, without the radial part for the projection.
#pragma once

#include <cmath>

#include "dual.h"
#include "hd.h"
#include "smooth.h"

namespace horoball::rowwise::hypmix {

inline constexpr double kBias = 1e-5;  // added to the denominators of the Möbius addition and of `clip`
inline constexpr double kLeastNorm = 1e-5;
inline constexpr double kTopArtanh = 1 - 1e-5;  // the largest argument of artanh
inline constexpr double kTopTanh = 15;          // the largest argument of tanh
inline constexpr double kLeastLog = 1e-5;       // the smallest argument of the logarithm in arsinh
inline constexpr double kMargin = 1e-3;         // of the projection, relative to the radius

// |v| from |v|^2, at least kLeastNorm.
template <class T>
HD T norm(const T& square) {
  const T n = root(square);
  return value(n) < kLeastNorm ? T(kLeastNorm) : n;
}

// artanh(sqrt z)/sqrt z with a clamped artanh. Beyond the clamp, the artanh factor keeps the value and the
// derivative that it has at the clamp.
template <class T>
HD T artanhc(const T& z) {
  if (value(z) <= kTopArtanh * kTopArtanh) return rowwise::artanhc(z, 1 - z);
  const double steep = 1 / (1 - kTopArtanh * kTopArtanh);
  const T r = root(z);
  return chain(r, std::atanh(kTopArtanh), steep) / r;
}

// tanh(sqrt z)/sqrt z with a clamped tanh.
template <class T>
HD T tanhc(const T& z) {
  if (value(z) <= kTopTanh * kTopTanh) return rowwise::tanhc(z);
  return std::tanh(kTopTanh) / root(z);
}

template <class T>
HD T arsinh(const T& x) {
  const double least = std::log(kLeastLog), f = std::asinh(value(x));
  return chain(x, f < least ? least : f, 1 / std::hypot(1.0, value(x)));
}

}  // namespace horoball::rowwise::hypmix
