// The Poincaré distance with the guards of the published code (HypMix, hyptorch): +1e-5 in the denominator of
// the Möbius addition, and the argument of artanh clamped at 1 - 1e-5. In terms of s, with D = a b + c s:
//
//   d = 2/sqrt(c) artanh(t),   t = min(sqrt(c s D)/(D + 1e-5), 1 - 1e-5)
//
// so it saturates at 12.206/sqrt(c), and points outside the ball have a (meaningless) distance. The gradient
// of artanh follows the published code: straight through the clamp, with 1/(1 - t^2) at the clamped t.
#pragma once

#include "ops/hypmix.h"
#include "ops/metric_card.h"

namespace horoball {
namespace {

struct PoincareHypmix {
  static constexpr MetricInfo kInfo = {
      .name = "poincare",
      .formula = "2/sqrt(c) artanh(min(sqrt(c s D)/(D + 1e-5), 1 - 1e-5))",
      .domain = "everywhere; saturates at 12.206/sqrt(c)",
      .points = Points::ball,
      .curved = true,
      // The slope of artanh at the clamp is 5e4, which amplifies rounding errors.
      .tolerance = kMetricAccuracy.with_gradient({2e-6, 1e-11}).with_parameters({3e-5, 1e-11})};
  static constexpr Rows kRows = Rows::plain;
  static constexpr bool kBounded = false;
  static constexpr double kBias = rowwise::hypmix::kBias, kClamp = rowwise::hypmix::kTopArtanh;

  double c;

  HD double q(double a) const { return a; }

  template <class V>
  HD V distance(V s, V a, V b) const {
    return constant<V>(1 / std::sqrt(c)) * log1p(expm1_distance(s, a, b));
  }

  // exp(sqrt(c) d) - 1.
  template <class V>
  HD V expm1_distance(V s, V a, V b) const {
    return parts(s, a, b).ratio;
  }

  template <class V>
  HD V rank(V s, V a, V b) const {
    return expm1_distance(s, a, b);
  }
  HD double rank_at(double d, double) const { return std::expm1(std::sqrt(c) * d); }

  // pull follows from the derivative with respect to s at fixed a and b, where D^2 - c s D = D a b. lift_x and lift_y follow
  // from the derivatives with respect to a and b, with dD/da = b and dD/db = a.
  template <class V>
  HD Slope<V> slope(V s, V a, V b) const {
    const Parts<V> p = parts(s, a, b);
    const V bias = constant<V>(kBias), cs = constant<V>(c) * s;
    const V common = artanh_slope(p) * p.inverse_root * p.inverse * p.inverse;
    const V lift = common * cs * (p.big - bias);
    return {common * fma(p.big, a * b, bias * (p.big + cs)), lift * b, lift * a};
  }

  // Returns the derivative of 2/sqrt(c) artanh(t) with respect to c. For small t it uses the series of t/(1 - t^2) -
  // artanh(t), where the direct form would cancel. The series form would itself cancel near the clamp.
  template <class V>
  HD V by_curvature(V d, V s, V a, V b, V nx, V ny) const {
    // Coefficients of the series divided by t^3.
    constexpr double kSeries[] = {2. / 3,   4. / 5,   6. / 7,   8. / 9,   10. / 11,
                                  12. / 13, 14. / 15, 16. / 17, 18. / 19, 20. / 21};
    constexpr int kTerms = kIsSingle<V> ? 7 : 10;
    constexpr double kSmall = kIsSingle<V> ? 0.1 : 0.04;  // the series is used for smaller t^2
    const Parts<V> p = parts(s, a, b);
    const V bias = constant<V>(kBias), ab = a * b, cs = constant<V>(c) * s;
    const V shared = fma(nx, b, ny * a), c_shared = constant<V>(c) * shared;
    const V weight = artanh_slope(p), by_root = s * p.inverse_root * p.inverse * p.inverse;
    // D - c dD/dc is a b + c (n_x b + n_y a).
    const V whole = fma(p.big, ab + c_shared, bias * (p.big + cs - c_shared)) * by_root;
    const V far = constant<V>(0.5 / c) * fma(weight, whole, -d);
    const V w = p.root * p.inverse, w2 = w * w, t2 = constant<V>(c) * w2;
    if (!any_lane(t2, t2 < constant<V>(kSmall))) return far;
    V series = constant<V>(kSeries[kTerms - 1]);
    for (int i = kTerms - 2; i >= 0; --i) series = fma(series, t2, constant<V>(kSeries[i]));
    const V bend = constant<V>(0.5) * (bias - p.big) * by_root * (s - shared);
    return where(t2 < constant<V>(kSmall), fma(w * w2, series, weight * bend), far);
  }

 private:
  template <class V>
  struct Parts {
    V big;           // D
    V inverse;       // 1/(D + 1e-5)
    V root;          // sqrt(s D)
    V inverse_root;  // 1/root, but 0 at 0
    V ratio;         // 2 t/(1 - t)
  };

  template <class V>
  HD Parts<V> parts(V s, V a, V b) const {
    const V zero = constant<V>(0), cs = constant<V>(c) * s, ab = a * b;
    const V sum = ab + cs, big = where(sum > zero, sum, zero);
    const V root = sqrt(s * big);
    // D - sqrt(c s D) = sqrt(D) a b/(sqrt(D) + sqrt(c s)), so `rest` is (D + 1e-5) (1 - t), without cancellation.
    const V root_big = sqrt(big), both = root_big + sqrt(cs);
    const V rest = constant<V>(kBias) + where(both > zero, root_big * ab / both, zero);
    const V ratio = constant<V>(2 * std::sqrt(c)) * root / rest;
    // An overflowing ratio is clamped; NaN is kept.
    const V top = where(s == s, constant<V>(2 * kClamp / (1 - kClamp)), s);
    return {big, constant<V>(1) / (big + constant<V>(kBias)), root,
            where(root > zero, constant<V>(1) / root, zero),
            where((ratio < top), where(ratio > zero, ratio, zero), top)};
  }

  // Returns the derivative of the distance with respect to t/sqrt(c), 2/(1 - t^2). With r = 2 t/(1 - t), it is
  // (2 + r)^2/(2 + 2 r).
  template <class V>
  HD V artanh_slope(const Parts<V>& p) const {
    const V sum = constant<V>(2) + p.ratio;
    return sum * sum / (constant<V>(2) + constant<V>(2) * p.ratio);
  }
};

}  // namespace
}  // namespace horoball
