// The contract of a geometry card. A geometry of the contrastive loss defines the logit of two samples:
//
//   e_weight <e,e'> - h_weight d(h,h'),   e_weight = 1/tauE,   h_weight = lambda/tauH or 1/tauH
//
// over unit rows e and points h. A card states
//   kInfo       name, label, formula, tolerances, and the metric that ranks embeddings trained with it
//   kInner      whether the inner product enters the logit
//   kWeighted   whether lambda multiplies the distance
//   Distance    the metric of d, an entry of ops/metrics.h; NoDistance if the logit has no d
//   TiedDistance   the metric of d for tied heads, if it is not Distance
// Everything else follows: the matrices and products that are read, the parameters that enter the logit, the slopes
// (from the metric's card), the kernels of both backends, the checks and the types in TypeScript.
#pragma once

#include "ops/metrics.h"

namespace horoball {
namespace {

// The accuracy of most cards, for the loss and its gradients in a batch in which no row has a small loss.
constexpr Accuracy kLossAccuracy = {{{1e-6, 1e-14}, {3e-6, 1e-12}, {3e-6, 1e-12}},
                                    {{1e-5, 1e-11}, {1e-5, 1e-11}, {1e-4, 1e-10}}};
// The accuracy for a batch of well separated classes: a logit of 70, rounded to float32, has an error of up to 70 * 2^-24,
// which becomes a relative error of the loss.
constexpr Accuracy kSeparatedAccuracy = {{{2e-5, 2e-13}, {2e-5, 1e-11}, {2e-5, 1e-11}},
                                         {{1e-4, 1e-11}, {1e-4, 1e-11}, {1e-3, 1e-10}}};

// A parameter of the logit. `start` is its default, the published value.
struct LogitParameter {
  const char* name;
  double start;
};
enum LogitIndex : int { kTauE, kTauH, kLambda, kC };
constexpr LogitParameter kLogitParameters[] = {{"tauE", 0.1}, {"tauH", 0.2}, {"lambda", 0.5}, {"c", 0.1}};

struct GeometryInfo {
  const char* name;
  const char* label;    // for reports and plots
  const char* formula;  // of the logit
  const char* ranking;  // name of the metric that ranks embeddings trained with it
  Accuracy tolerance = kLossAccuracy, separated = kSeparatedAccuracy;
};

struct NoDistance {};

// The defaults of a card.
struct GeometryCard {
  static constexpr bool kInner = false, kWeighted = false;
  using Distance = NoDistance;
  using TiedDistance = void;
};

template <bool kCondition, class Yes, class>
struct Choose {
  using Type = Yes;
};
template <class Yes, class No>
struct Choose<false, Yes, No> {
  using Type = No;
};
template <class A, class B>
constexpr bool kSame = false;
template <class A>
constexpr bool kSame<A, A> = true;

template <class Geometry>
constexpr bool kHasDistance = !kSame<typename Geometry::Distance, NoDistance>;

// The metric of a geometry's distance, an entry of ops/metrics.h: TiedDistance for tied heads if the card has one,
// otherwise Distance.
template <class Geometry, bool kTied>
using DistanceOf = typename Choose<kTied && !kSame<typename Geometry::TiedDistance, void>,
                                   typename Geometry::TiedDistance, typename Geometry::Distance>::Type;

// Stands in for a metric card in kernels that only compute squared differences.
template <Rows kind>
struct DifferenceCard {
  static constexpr Rows kRows = kind;
  static constexpr bool kBounded = false;
  double c;
  HD double q(double) const { return 1; }
};

// The properties of a geometry on which the kernels of the loss depend. Geometries with equal properties share kernels.
template <class MetricCard, bool kReadsInner, bool kReadsDistance, bool kTiedHeads>
struct PairKind {
  using Card = MetricCard;
  static constexpr bool kInner = kReadsInner, kDistance = kReadsDistance, kTied = kTiedHeads;
  static constexpr bool kGram = kInner && !kTied;       // inner products need a separate matrix product
  static constexpr bool kSquared = kDistance || kTied;  // squared differences are read
  static constexpr bool kBounded = Card::kBounded && kDistance && !kTied;  // points may be outside the domain
  static constexpr Rows kRows = kTied ? Rows::plain : Card::kRows;
  using Difference = DifferenceCard<kRows>;
  // The card that prepares the rows for squared differences: tied rows are unit rows, not ball points.
  using Preparation = typename Choose<kTied, Difference, Card>::Type;
  static_assert(Card::kRows != Rows::unit, "the loss has no chain rule through a normalization");
};

template <class Geometry, bool kPublished, bool kTied>
struct PairKindOf {
  using Entry = DistanceOf<Geometry, kTied>;
  using Type = PairKind<typename Choose<kPublished, typename Entry::Published, typename Entry::Exact>::Type,
                        Geometry::kInner, true, kTied>;
};
template <class Geometry, bool kPublished, bool kTied>
  requires(!kHasDistance<Geometry>)
struct PairKindOf<Geometry, kPublished, kTied> {
  using Type = PairKind<DifferenceCard<Rows::plain>, true, false, kTied>;
};

// The terms of a geometry's logit, as runtime values.
struct GeometryTerms {
  bool inner, distance, weighted;
  bool curved, tied_curved;  // whether c enters the distance, without and with tied heads

  // The factor of the distance in the logit.
  HD double distance_weight(double lambda, double tau_h) const { return (weighted ? lambda : 1) / tau_h; }
  // Whether a call reads the matrix of Euclidean rows, and that of hyperbolic points.
  HD bool reads_euclidean(bool tied) const { return tied || inner; }
  HD bool reads_hyperbolic(bool tied) const { return !tied && distance; }
  // Whether a parameter enters the logit.
  constexpr bool uses(LogitIndex parameter, bool tied) const {
    return parameter == kTauE     ? inner
           : parameter == kTauH   ? distance
           : parameter == kLambda ? weighted
           : tied                 ? tied_curved
                                  : curved;
  }
};

template <class Geometry>
constexpr bool is_curved() {
  if constexpr (kHasDistance<Geometry>) {
    return Geometry::Distance::Exact::kInfo.curved;
  } else {
    return false;
  }
}

template <class Geometry>
constexpr GeometryTerms kTermsOf = {Geometry::kInner, kHasDistance<Geometry>, Geometry::kWeighted,
                                    is_curved<Geometry>(), kHasDistance<Geometry>};

}  // namespace
}  // namespace horoball
