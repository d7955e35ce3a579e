// Angles of entailment cones (Ganea et al., ICML 2018, arXiv 1804.01882; on the hyperboloid Desai et al., ICML 2023, arXiv
// 2304.09172): the exterior angle and the half aperture. Both are computed with atan2, because arccos loses half of the digits
// near 0, and arcsin near pi/2.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

inline constexpr const char* kConeGradient = "The gradient is 0 wherever the angle is constant.";
inline constexpr RowParameter kMinRadius = {
    .name = "minRadius", .doc = "K, which determines the width of the cones", .start = 0.1, .low = 0};

// Returns the description of an input that is a point of the hyperboloid.
constexpr RowInput space_point(const char* name) {
  return {name, "space coordinates, without time", RowDomain::anywhere};
}

// Returns the angle of the vector (along, across), in [0, pi]; the constant 0 if both are so small that their squares
// underflow.
template <class T>
HD T angle(const T& across, const T& along) {
  const double y = value(across), x = value(along), length = std::hypot(x, y);
  if (length < 1e-150) return T(0);
  return chain(across, std::atan2(y, x), x / length / length) + chain(along, 0, -(y / length / length));
}

// arcsin(opposite/hypotenuse), or pi/2 if the quotient is above 1.
template <class T>
HD T aperture(const T& opposite, const T& hypotenuse) {
  const T across = hypotenuse - opposite;
  if (value(across) <= 0) return T(1.5707963267948966);
  return angle(opposite, root(across * (hypotenuse + opposite)));
}

// <x, y - x>, without the cancellation of (|y|^2 - |x|^2 - |y - x|^2)/2.
template <class T>
HD T outward(const RowState<T>& r) {
  return with_value((r.y2 - r.x2 - r.p2) / 2, -r.px);
}

// |x| |y - x| times the sine of the angle between x and y - x; exactly 0 if it is within the rounding error.
template <class T>
HD T area(const RowState<T>& r, const T& out) {
  const T product = r.x2 * r.p2, square = product - out * out;
  return value(square) > 1e-15 * value(product) ? root(square) : T(0);
}

}  // namespace horoball::rowwise
