// Hyperbolic functions of r as functions of z = r^2, mostly in the form f(r)/r.
// A norm enters every formula through its square, so maps and gradients are smooth at the origin and
// no division by a norm needs a guard. Each function is written for doubles with its slope and lifted to dual
// numbers; values are accurate to a few units in the last place, slopes to about 1e-15.
#pragma once

#include <cmath>

#include "dual.h"
#include "hd.h"

namespace horoball::rowwise {

// sqrt z. Its slope at 0 is set to 0, because a distance has no gradient at coincident points.
template <class T>
HD T root(const T& z) {
  const double f = std::sqrt(value(z));
  return chain(z, f, f > 0 ? 0.5 / f : 0);
}

// (1 - tanhc(z))/z for z < 1, by the continued fraction of tanh.
HD double tanhc_deficit(double z) {
  double tail = 0;
  for (int k = 19; k >= 5; k -= 2) tail = z / (k + tail);
  return 1 / (3 + tail + z);
}

// tanh(sqrt z)/sqrt z, z >= 0.
template <class T>
HD T tanhc(const T& z) {
  const double x = value(z), r = std::sqrt(x);
  const double f = r > 0 ? std::tanh(r) / r : 1;
  const double deficit = x < 1 ? tanhc_deficit(x) : (1 - f) / x;
  return chain(z, f, (deficit - f * f) / 2);
}

// 1 - tanh^2 sqrt z, z >= 0.
template <class T>
HD T sech2(const T& z) {
  const double r = std::sqrt(value(z)), cosh = std::cosh(r);
  const double f = 1 / (cosh * cosh);
  return chain(z, f, r > 0 ? -f * std::tanh(r) / r : -f);
}

// (artanh(sqrt z)/sqrt z - 1)/z for z < 1/4, by the continued fraction of artanh.
HD double artanhc_excess(double z) {
  double tail = 0;
  for (int k = 10; k >= 2; --k) tail = k * k * z / (2 * k + 1 - tail);
  return 1 / (3 - tail - z);
}

// arsinh(sqrt u)/sqrt u, u >= 0. For u < 1/3 its slope is computed from artanhc_excess(u/(1+u)), which does not cancel.
template <class T>
HD T arsinhc(const T& u) {
  const double x = value(u), r = std::sqrt(x), q = std::sqrt(1 + x);
  const double f = r > 0 ? std::asinh(r) / r : 1;
  const double z = x / (1 + x);
  const double excess = z < 0.25 ? artanhc_excess(z) : (f * q - 1) / z;
  return chain(u, f, -excess / (2 * q * q * q));
}

// artanh(sqrt z)/sqrt z, with 1 - z given separately, because it may be known more accurately than from z.
template <class T>
HD T artanhc(const T& z, const T& one_less_z) {
  return arsinhc(z / one_less_z) / root(one_less_z);
}

// (cosh r - sinh(r)/r) / (2 z) with r = sqrt z, for z < 1, by its series.
HD double sinhc_slope(double z) {
  double sum = 0;
  for (int k = 10; k >= 1; --k) sum = (sum * z + k) / ((2 * k + 1) * (2 * k));
  return sum;
}

// sinh(sqrt z)/sqrt z, z >= 0.
template <class T>
HD T sinhc(const T& z) {
  const double x = value(z), r = std::sqrt(x), f = r > 0 ? std::sinh(r) / r : 1;
  return chain(z, f, x < 1 ? sinhc_slope(x) : (std::cosh(r) - f) / (2 * x));
}

// cosh(sqrt z), z >= 0.
template <class T>
HD T cosh_root(const T& z) {
  const double x = value(z);
  return chain(z, std::cosh(std::sqrt(x)), sinhc(x) / 2);
}

template <class T>
HD T arsinh(const T& x) {
  return chain(x, std::asinh(value(x)), 1 / std::hypot(1.0, value(x)));
}

}  // namespace horoball::rowwise
