// The contract of a metric card. A metric is a function of the squared difference s of two rows and, for each row, of its
// squared norm n and a quantity q that the card defines. n and q are computed in float64 and rounded once. Formulas use s,
// because formulas in three inner products would cancel for near rows.
//
// A card has
//   kInfo                        name, formula, domain, properties and tolerances (MetricInfo)
//   kRows                        how rows are transformed before they are compared
//   kBounded                     whether a point with a <= 0 is outside the domain: infinitely far, with gradient 0
//   double c                     positive; the curvature is -c. The only member, present even if the formula ignores it
//   q(a)                         the row's quantity from a = 1 - c|x|^2
//   distance(s, qx, qy)          the distance
//   slope(s, qx, qy)             its derivative, as three coefficients (below)
//   by_curvature(d, s, qx, qy, nx, ny)   its derivative with respect to c at fixed points; d is the distance
//   rank(s, qx, qy)              a cheaper function that orders the points y of a fixed x as the distance does
//   rank_at(d, qx)               the rank at distance d
//   expm1_distance(s, qx, qy)    optional: exp(sqrt(c) d) - 1, from which a kernel computes the distance d in a second pass
// q() and rank_at() compute in float64; the other functions are templates over the number type. The distance, its derivatives
// and the rank are 0 at s = 0; for the derivatives, this is a subgradient.
#pragma once

#include "ops/number.h"
#include "ops/tolerance.h"

namespace horoball {
namespace {

// The space to which the rows of a metric belong.
enum class Points : unsigned char { anywhere, ball, hyperboloid };

// The accuracy of most cards, for each distance in a full matrix, near-duplicates included.
constexpr Accuracy kMetricAccuracy = {{{1e-6, 1e-14}, {1e-6, 1e-11}, {1e-6, 1e-11}},
                                      {{1e-5, 1e-11}, {2e-5, 1e-10}, {1e-3, 1e-9}}};

struct MetricInfo {
  const char* name;
  const char* formula;
  const char* domain;
  Points points = Points::anywhere;
  bool curved = false;  // whether c enters the formula
  // The norm of the distance's gradient, measured in the metric's space, or 0 if that norm is not constant. If 0, the triangle
  // inequality may be violated.
  double slope = 0;
  Accuracy tolerance = kMetricAccuracy;
};

// How rows are compared. plain: unchanged. unit: divided by their norms (a zero row stays zero, and s is then 2).
// minkowski: the first coordinate is the time, which inner products count negatively.
enum class Rows { plain, unit, minkowski };

// d(distance)/dx = pull (x - y) + lift_x x, and the same for y with the roles exchanged. For unit and
// minkowski rows the family applies the chain rule through the normalization or the signature.
template <class V>
struct Slope {
  V pull, lift_x, lift_y;
};

}  // namespace
}  // namespace horoball
