// The metrics of flat space: euclidean |x-y|; chordal 2|x-y|, the limit of the Poincaré distance as c -> 0,
// which serves as a control for the effect of curvature; cosine 1 - <x,y>/(|x||y|), which is half the
// squared difference of the unit rows. A zero row has no direction and is at cosine distance 1 from every row.
// None depends on c.
#pragma once

#include "ops/metric_card.h"

namespace horoball {
namespace {

// kScale |x - y|.
template <int kScale>
struct Straight {
  static constexpr MetricInfo kInfo = {.name = kScale == 1 ? "euclidean" : "chordal",
                                       .formula = kScale == 1 ? "|x-y|" : "2|x-y|",
                                       .domain = "everywhere",
                                       .slope = kScale};
  static constexpr Rows kRows = Rows::plain;
  static constexpr bool kBounded = false;

  double c;

  HD double q(double) const { return 1; }

  template <class V>
  HD V distance(V s, V, V) const {
    return constant<V>(kScale) * sqrt(s);
  }

  template <class V>
  HD V rank(V s, V, V) const {
    return s;
  }
  HD double rank_at(double d, double) const { return d * d / (kScale * kScale); }

  template <class V>
  HD Slope<V> slope(V s, V, V) const {
    const V zero = constant<V>(0);
    return {where(s > zero, constant<V>(kScale) / sqrt(s), zero), zero, zero};
  }

  template <class V>
  HD V by_curvature(V, V, V, V, V, V) const {
    return constant<V>(0);
  }
};

using Euclidean = Straight<1>;
using Chordal = Straight<2>;

struct Cosine {
  static constexpr MetricInfo kInfo = {
      .name = "cosine",
      .formula = "1 - <x,y>/(|x||y|)",
      .domain = "norms above 1e-307; a zero row is at distance 1 from every row"};
  static constexpr Rows kRows = Rows::unit;
  static constexpr bool kBounded = false;

  double c;

  HD double q(double) const { return 1; }

  template <class V>
  HD V distance(V s, V, V) const {
    return constant<V>(0.5) * s;
  }

  template <class V>
  HD V rank(V s, V, V) const {
    return s;
  }
  HD double rank_at(double d, double) const { return 2 * d; }

  template <class V>
  HD Slope<V> slope(V, V, V) const {
    return {constant<V>(1), constant<V>(0), constant<V>(0)};
  }

  template <class V>
  HD V by_curvature(V, V, V, V, V, V) const {
    return constant<V>(0);
  }
};

}  // namespace
}  // namespace horoball
