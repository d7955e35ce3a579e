// Gyromidpoint: the weighted sum of the points on the hyperboloid, mapped back to the ball. With weights w, conformal
// factors lambda, space part N = sum w lambda x and time part D = sum w (lambda - 1), it is
// N / (D + sqrt(D^2 - c|N|^2)), the same point as Einstein's midpoint in Klein coordinates, weighted by w times
// the Lorentz factors. The difference under the root is at least (sum w)^2, which replaces it if rounding makes it smaller. The
// family passes N as x, D as time and sum w as t.
//
// The result does not depend on the scale of the weights, but their sums could overflow or underflow. The
// family therefore divides the weights by weight_unit(largest), a power of two, which does not change any digit.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

// Returns the largest power of two that is not above `largest`, the largest weight; 1 if that is 0, infinite or NaN.
HD double weight_unit(double largest) {
  return largest > 0 && largest < HUGE_VAL ? std::scalbn(1.0, std::ilogb(largest)) : 1;
}

struct Midpoint : RowCard {
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    if (value(r.time) <= 0) return out;  // all weights are 0
    T square = r.time * r.time - r.c * r.x2;
    const double least = value(r.t) * value(r.t);
    if (value(square) < least) square = chain(square, least, 1);
    out.x = 1 / (r.time + root(square));
    return out;
  }
};

struct WeightedMidpoint : Midpoint {
  static constexpr RowInfo kInfo{
      .name = "weightedMidpoint",
      .doc =
          "Weighted gyromidpoint of all rows, as one row: the weighted mean on the hyperboloid, mapped "
          "back to the ball. Without weights all rows count equally; if all weights are 0, the result is "
          "the origin.",
      .inputs = {{"x", "ball points"}, {"weights", "one nonnegative number per row", RowDomain::anywhere}},
      .family = RowFamily::midpoint,
  };
};

struct EinsteinMidpoint : Midpoint {
  static constexpr RowInfo kInfo{
      .name = "einsteinMidpoint",
      .doc =
          "Einstein midpoint of all rows, as one row: the mean in Klein coordinates, weighted by Lorentz "
          "factors. Equal to `weightedMidpoint` with equal weights.",
      .inputs = {{"x", "ball points"}},
      .family = RowFamily::midpoint,
  };
};

}  // namespace horoball::rowwise
