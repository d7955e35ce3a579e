// The distance on the hyperboloid, curvature -c: rows are (time, space) with <x,x> = -1/c in the Minkowski
// product (Nickel and Kiela 2018).
//
//   d = 1/sqrt(c) arcosh(-c <x,y>) = 2/sqrt(c) arsinh(sqrt u),   u = c s/4,   s = <x-y, x-y>
//
// The second form is used because it is accurate for short distances. Domain: the upper sheet. For rows off the sheet, s
// is still computed from their difference, and a negative s counts as 0. The second form is differentiated with
// respect to all coordinates; the tangential part of the result is the derivative on the hyperboloid.
#pragma once

#include "ops/arsinh.h"
#include "ops/metric_card.h"

namespace horoball {
namespace {

struct Lorentz {
  static constexpr MetricInfo kInfo = {
      .name = "lorentz",
      .formula = "2/sqrt(c) arsinh(sqrt(c <x-y,x-y>/4))",
      .domain = "<x,x> = -1/c, time first",
      .points = Points::hyperboloid,
      .curved = true,
      .slope = 1,
      // Looser than usual, because the time and space terms of s nearly cancel for rows far from the apex.
      .tolerance = kMetricAccuracy.with_value({1e-5, 1e-14}).with_parameters({1e-5, 1e-11})};
  static constexpr Rows kRows = Rows::minkowski;
  static constexpr bool kBounded = false;

  double c;

  HD double q(double) const { return 1; }

  template <class V>
  HD V distance(V s, V, V) const {
    return constant<V>(1 / std::sqrt(c)) * double_arsinh(constant<V>(c / 4) * s);
  }

  // exp(sqrt(c) d) - 1.
  template <class V>
  HD V expm1_distance(V s, V, V) const {
    const V u = constant<V>(c / 4) * s;
    return expm1_double_arsinh(u, root_product(u));
  }

  template <class V>
  HD V rank(V s, V, V) const {
    return s;
  }
  HD double rank_at(double d, double) const { return 4 / c * from_double_arsinh(std::sqrt(c) * d); }

  template <class V>
  HD Slope<V> slope(V s, V, V) const {
    const V inverse = inverse_root(root_product(constant<V>(c / 4) * s)), zero = constant<V>(0);
    return {constant<V>(std::sqrt(c) / 2) * inverse, zero, zero};
  }

  template <class V>
  HD V by_curvature(V d, V s, V, V, V, V) const {
    const V u = constant<V>(c / 4) * s, root = root_product(u);
    const V arsinh = constant<V>(std::sqrt(c) / 2) * d;
    return constant<V>(1 / (c * std::sqrt(c))) * arsinh_deficit(u, root, inverse_root(root), arsinh);
  }
};

}  // namespace
}  // namespace horoball
