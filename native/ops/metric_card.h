// What a metric card is written in. A metric sees a pair of rows through their squared difference s (never
// three inner products: near points would lose every digit), and each row through its squared norm n and one
// quantity q of the card's own, prepared in float64 and rounded once.
//
// A card has
//   kInfo                        what it is
//   kRows                        what becomes of the rows before they are compared
//   kBounded                     whether a point with a <= 0 is outside: infinitely far, with gradient 0
//   double c                     minus the curvature, its only member; also where no formula has it
//   q(a, c)                      the row's quantity from a = 1 - c|x|^2
//   distance(s, qx, qy)          the distance
//   slope(s, qx, qy)             its derivative, as two coefficients (below)
//   by_curvature(d, s, qx, qy, nx, ny)   its derivative in c, the points held fixed; d is the distance
//   rank(s, qx, qy)              what orders the y of one x as the distance does, but is cheaper
//   rank_at(d, qx)               the rank at distance d
// as templates over the number type. All are 0 at s = 0, where the derivative is that subgradient.
#pragma once

#include "ops/number.h"

namespace horoball {
namespace {

struct MetricInfo {
  const char* name;
  const char* formula;
  const char* domain;
  double tolerance_f32, tolerance_f64;  // relative, of a distance in a full matrix; a test enforces them
};

// plain: as they are. unit: divided by their norms (a zero row stays zero, and s is 2). minkowski: the first
// coordinate is the time, and counts negatively in inner products.
enum class Rows { plain, unit, minkowski };

// d(distance)/dx = pull (x - y) + lift_x x, and the same for y with the roles exchanged. A card whose rows
// are unit or minkowski leaves the chain through the normalisation or the signature to the family.
template <class V>
struct Slope {
  V pull, lift_x, lift_y;
};

}  // namespace
}  // namespace horoball
