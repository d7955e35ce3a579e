// Gyromidpoint. On the hyperboloid it is the weighted sum of the points, brought back to the ball: with space
// N = sum w lambda x and time D = sum w (lambda - 1), N / (D + sqrt(D^2 - c|N|^2)). The same point as
// Einstein's midpoint in Klein coordinates with Lorentz factors as weights. The difference under the root is
// at least (sum w)^2, which stands in for it where rounding takes it lower. The family gives N as x, D as
// time, sum w as t.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Midpoint : RowCard {
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    if (value(r.time) <= 0) return out;  // no weight at all
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
          "Weighted gyromidpoint of all rows, one row: the weighted mean on the hyperboloid, brought back to "
          "the "
          "ball. No weights are equal weights; all weights 0 give the origin.",
      .inputs = {{"x", "ball points"}, {"weights", "one number a row, not negative", RowDomain::anywhere}},
      .family = RowFamily::midpoint,
  };
};

struct EinsteinMidpoint : Midpoint {
  static constexpr RowInfo kInfo{
      .name = "einsteinMidpoint",
      .doc =
          "Einstein midpoint of all rows, one row: in Klein coordinates the mean weighted by Lorentz "
          "factors. The "
          "same point as `weightedMidpoint` with equal weights.",
      .inputs = {{"x", "ball points"}},
      .family = RowFamily::midpoint,
  };
};

}  // namespace horoball::rowwise
