// The Poincare distance with the guards of the published code (HypMix, hyptorch): +1e-5 in the denominator of
// the Moebius addition and the argument of artanh held below 1 - 1e-5. In Gram form, with D = a b + c s:
//
//   d = 2/sqrt(c) artanh(t),   t = min(sqrt(c s D)/(D + 1e-5), 1 - 1e-5)
//
// so it saturates at 12.206/sqrt(c), and points outside the ball have a (meaningless) distance. The gradient
// of artanh is that of the published code: straight through the clamp, 1/(1 - t^2) with the clamped t.
#pragma once

#include "ops/metric_card.h"

namespace horoball {
namespace {

struct PoincareHypmix {
  static constexpr MetricInfo kInfo = {"poincare", "2/sqrt(c) artanh(min(sqrt(c s D)/(D + 1e-5), 1 - 1e-5))",
                                       "everywhere; saturates at 12.206/sqrt(c)", 1e-5, 1e-11};
  static constexpr Rows kRows = Rows::plain;
  static constexpr bool kBounded = false;
  static constexpr double kBias = 1e-5, kClamp = 1 - 1e-5;

  double c;

  HD double q(double a) const { return a; }

  template <class V>
  HD V distance(V s, V a, V b) const {
    return constant<V>(1 / std::sqrt(c)) * log1p(parts(s, a, b).ratio);
  }

  template <class V>
  HD V rank(V s, V a, V b) const {
    return parts(s, a, b).ratio;
  }
  HD double rank_at(double d, double) const { return std::expm1(std::sqrt(c) * d); }

  template <class V>
  HD Slope<V> slope(V s, V a, V b) const {
    const Parts<V> p = parts(s, a, b);
    const V weight = artanh_slope(p);
    // d|w|/ds with a and b held, then d|w|/dD with s held.
    const V by_d = by_denominator(p, s);
    const V by_s = weight * (constant<V>(0.5) * p.big * p.inverse_root * p.inverse + constant<V>(c) * by_d);
    const V lift = constant<V>(-2 * c) * weight * by_d;
    return {constant<V>(2) * by_s, lift * b, lift * a};
  }

  template <class V>
  HD V by_curvature(V d, V s, V a, V b, V nx, V ny) const {
    const Parts<V> p = parts(s, a, b);
    const V w = p.root * p.inverse;
    const V change = s - nx * b - ny * a;  // dD/dc
    const V direct = constant<V>(0.5 / c) * w + by_denominator(p, s) * change;
    return artanh_slope(p) * direct - constant<V>(0.5 / c) * d;
  }

 private:
  template <class V>
  struct Parts {
    V big;           // D
    V inverse;       // 1/(D + 1e-5)
    V root;          // sqrt(s D)
    V inverse_root;  // its inverse, 0 at 0
    V ratio;         // 2 t/(1 - t)
  };

  template <class V>
  HD Parts<V> parts(V s, V a, V b) const {
    const V zero = constant<V>(0), cs = constant<V>(c) * s, ab = a * b;
    const V sum = ab + cs, big = where(sum > zero, sum, zero);
    const V root = sqrt(s * big);
    // D - sqrt(c s D) = sqrt(D) a b/(sqrt(D) + sqrt(c s)): 1 - t without cancellation.
    const V root_big = sqrt(big), both = root_big + sqrt(cs);
    const V rest = constant<V>(kBias) + where(both > zero, root_big * ab / both, zero);
    const V ratio = constant<V>(2 * std::sqrt(c)) * root / rest;
    const V top = constant<V>(2 * kClamp / (1 - kClamp));
    return {big, constant<V>(1) / (big + constant<V>(kBias)), root,
            where(root > zero, constant<V>(1) / root, zero),
            where((ratio < top), where(ratio > zero, ratio, zero), top)};
  }

  // d(distance)/d|w| = 2/(1 - t^2) = (2 + r)^2/(2 + 2 r) with r = 2 t/(1 - t).
  template <class V>
  HD V artanh_slope(const Parts<V>& p) const {
    const V sum = constant<V>(2) + p.ratio;
    return sum * sum / (constant<V>(2) + constant<V>(2) * p.ratio);
  }

  template <class V>
  HD V by_denominator(const Parts<V>& p, V s) const {
    return (constant<V>(0.5) * s * p.inverse_root - p.root * p.inverse) * p.inverse;
  }
};

}  // namespace
}  // namespace horoball
