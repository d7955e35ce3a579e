// The geometry cards and their list. A card's position is its index in the loss (Geometry in native/core.h).
//
// Sources: hybrid, Yue et al. (WACV 2024); hyperbolic, Ermolov et al. (CVPR 2022); lorentz, the distance of
// Nickel and Kiela (ICML 2018); chordal, the limit of hyperbolic as c goes to 0. The cards of the metrics
// describe domains, clamps, cancellation and gradients at the boundary.
#pragma once

#include "ops/geometries/card.h"

namespace horoball {
namespace {
namespace geometries {

struct Hybrid : GeometryCard {
  static constexpr GeometryInfo kInfo = {.name = "hybrid",
                                         .label = "hybrid",
                                         .formula = "<e,e'>/tauE - lambda d_c(h,h')/tauH",
                                         .ranking = "poincare"};
  static constexpr bool kInner = true, kWeighted = true;
  using Distance = PoincareMetric;
};

struct Euclidean : GeometryCard {
  static constexpr GeometryInfo kInfo = {
      .name = "euclidean",
      .label = "Euclidean (cosine)",
      .formula = "<e,e'>/tauE",
      .ranking = "cosine",
      // Stricter than usual, because the logit is one matrix product without a distance.
      .tolerance = kLossAccuracy.with_gradient({1e-6, 1e-12}).with_parameters({1e-6, 1e-12})};
  static constexpr bool kInner = true;
};

struct Hyperbolic : GeometryCard {
  static constexpr GeometryInfo kInfo = {
      .name = "hyperbolic", .label = "hyperbolic", .formula = "-d_c(h,h')/tauH", .ranking = "poincare"};
  using Distance = PoincareMetric;
};

struct Chordal : GeometryCard {
  static constexpr GeometryInfo kInfo = {
      .name = "chordal", .label = "chordal", .formula = "-2|h-h'|/tauH", .ranking = "poincare"};
  using Distance = MetricEntry<horoball::Chordal>;
};

struct Lorentz : GeometryCard {
  static constexpr GeometryInfo kInfo = {.name = "lorentz",
                                         .label = "Lorentz",
                                         .formula = "-d_c(h,h')/tauH on the hyperboloid",
                                         .ranking = "lorentz"};
  using Distance = MetricEntry<horoball::Lorentz>;
  using TiedDistance = PoincareMetric;  // tied heads give ball points of one radius
};

}  // namespace geometries

template <class... Cards>
struct GeometryList {};

using Geometries = GeometryList<geometries::Hybrid, geometries::Euclidean, geometries::Hyperbolic,
                                geometries::Chordal, geometries::Lorentz>;

template <class... Cards>
constexpr int count(GeometryList<Cards...>) {
  return sizeof...(Cards);
}
constexpr int kGeometries = count(Geometries{});

template <class Body, class First, class... Others>
inline auto with_geometry_of(GeometryList<First, Others...>, int index, Body body) {
  if constexpr (sizeof...(Others) > 0) {
    if (index > 0) return with_geometry_of(GeometryList<Others...>{}, index - 1, body);
  }
  return body.template operator()<First>();
}

// Calls body with the PairKind of a geometry as its type argument, given the guards and heads of a call.
template <class Body>
inline auto with_pairs(int index, bool published, bool tied, Body body) {
  return with_geometry_of(Geometries{}, index, [&]<class Geometry>() {
    if (tied) {
      return published ? body.template operator()<typename PairKindOf<Geometry, true, true>::Type>()
                       : body.template operator()<typename PairKindOf<Geometry, false, true>::Type>();
    }
    return published ? body.template operator()<typename PairKindOf<Geometry, true, false>::Type>()
                     : body.template operator()<typename PairKindOf<Geometry, false, false>::Type>();
  });
}

inline GeometryTerms terms_of_geometry(int index) {
  return with_geometry_of(Geometries{}, index, []<class Geometry>() { return kTermsOf<Geometry>; });
}

}  // namespace
}  // namespace horoball
