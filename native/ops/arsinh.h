// 2 arsinh(sqrt u), the form of the Poincaré and Lorentz distances, and related functions. It is computed as
// log1p(2 (u + sqrt(u (1 + u)))): one root, one logarithm, no cancellation for any u >= 0.
#pragma once

#include "ops/number.h"

namespace horoball {
namespace {

// Returns a bound beyond which u^2 could overflow, and sqrt(u (1 + u)) equals u up to rounding.
template <class V>
HD V far_away() {
  return constant<V>(kIsSingle<V> ? 1e9 : 1e17);
}

// sqrt(u (1 + u)).
template <class V>
HD V root_product(V u) {
  return where(u > far_away<V>(), u, sqrt(fma(u, u, u)));
}

// 1/root, but 0 at 0, because the term that it multiplies must vanish for coincident points.
template <class V>
HD V inverse_root(V root) {
  const V zero = constant<V>(0);
  return where(root > zero, constant<V>(1) / root, zero);
}

// exp(2 arsinh(sqrt u)) - 1, given root = root_product(u).
template <class V>
HD V expm1_double_arsinh(V u, V root) {
  return constant<V>(2) * (u + root);
}

// 2 arsinh(sqrt u), given root = root_product(u).
template <class V>
HD V double_arsinh(V u, V root) {
  return log1p(expm1_double_arsinh(u, root));
}

// 2 arsinh(sqrt u). Distant pairs are rare: one test per vector is cheaper than a guard in every lane.
template <class V>
HD V double_arsinh(V u) {
  if (any_lane(u, u > far_away<V>())) return double_arsinh(u, root_product(u));
  return log1p_finite(constant<V>(2) * (u + sqrt(fma(u, u, u))));
}

// Returns the u for which 2 arsinh(sqrt u) is `t`.
HD double from_double_arsinh(double t) {
  const double z = std::expm1(t);
  return z < 1e100 ? z * z / (4 * (1 + z)) : z / 4;
}

// sqrt(u/(1 + u)) - arsinh(sqrt u), which is O(u^1.5). Computed from its series where the difference would cancel.
// `inverse` is 1/root, or 0; `arsinh` is arsinh(sqrt u), and arbitrary if u is 0.
template <class V>
HD V arsinh_deficit(V u, V root, V inverse, V arsinh) {
  // The series of the deficit, divided by u times the root.
  constexpr double kSeries[] = {-1. / 3,           7. / 15,         -19. / 35,     187. / 315,
                                -437. / 693,       1979. / 3003,    -4387. / 6435, 76627. / 109395,
                                -165409. / 230945, 707825. / 969969};
  constexpr int kTerms = kIsSingle<V> ? 5 : 10;
  V series = constant<V>(kSeries[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) series = fma(series, u, constant<V>(kSeries[i]));
  const V direct = fma(u, inverse, -arsinh);
  return where(u < constant<V>(0.04), u * root * series, direct);
}

}  // namespace
}  // namespace horoball
