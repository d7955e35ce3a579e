// The distance of the Poincaré ball, curvature -c.
//
//   d = 2/sqrt(c) arsinh(sqrt u),   u = c s/(a b),   a = 1 - c|x|^2,   b = 1 - c|y|^2
//
// (Ganea et al. 2018.) Domain: c|x|^2 < 1. A point on or outside the rim is at distance +infinity from every other point,
// with gradient 0; equal points are at distance 0. Cancellation occurs in a, which is therefore computed in float64, and in
// s, which the family computes directly from the rows if the points are near. Nothing is clamped: distances do not
// saturate. Derivative: A [(1 + c s/a) x - y] with A = 2 sqrt(c)/(a b sqrt(u (1 + u))), and 0 at x = y.
#pragma once

#include "ops/arsinh.h"
#include "ops/metric_card.h"

namespace horoball {
namespace {

struct Poincare {
  static constexpr MetricInfo kInfo = {.name = "poincare",
                                       .formula = "2/sqrt(c) arsinh(sqrt(c|x-y|^2/((1-c|x|^2)(1-c|y|^2))))",
                                       .domain = "c|x|^2 < 1; on or outside the rim: +infinity",
                                       .points = Points::ball,
                                       .curved = true,
                                       .slope = 1};
  static constexpr Rows kRows = Rows::plain;
  static constexpr bool kBounded = true;  // points with a <= 0 are outside

  double c;

  // sqrt(c)/a, so that u = s qx qy.
  HD double q(double a) const { return std::sqrt(c) / a; }

  template <class V>
  HD V distance(V s, V qx, V qy) const {
    return constant<V>(1 / std::sqrt(c)) * double_arsinh(s * (qx * qy));
  }

  // exp(sqrt(c) d) - 1.
  template <class V>
  HD V expm1_distance(V s, V qx, V qy) const {
    const V u = s * (qx * qy);
    return expm1_double_arsinh(u, root_product(u));
  }

  template <class V>
  HD V rank(V s, V, V qy) const {
    return s * qy;
  }
  HD double rank_at(double d, double qx) const { return from_double_arsinh(std::sqrt(c) * d) / qx; }

  template <class V>
  HD Slope<V> slope(V s, V qx, V qy) const {
    const V both = qx * qy, inverse = inverse_root(root_product(s * both));
    const V pull = constant<V>(2 / std::sqrt(c)) * (both * inverse);
    const V lift = constant<V>(std::sqrt(c)) * (pull * s);
    return {pull, lift * qx, lift * qy};
  }

  template <class V>
  HD V by_curvature(V d, V s, V qx, V qy, V nx, V ny) const {
    const V u = s * (qx * qy), root = root_product(u), inverse = inverse_root(root);
    const V bend = (u * inverse) * fma(nx, qx, ny * qy);
    const V deficit = arsinh_deficit(u, root, inverse, constant<V>(std::sqrt(c) / 2) * d);
    return constant<V>(1 / c) * fma(constant<V>(1 / std::sqrt(c)), deficit, bend);
  }
};

}  // namespace
}  // namespace horoball
