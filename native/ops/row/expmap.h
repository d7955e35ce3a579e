// Exponential map, x (+) v with v = tanh(sqrt c lambda_x |u| / 2) u / (sqrt c |u|) = beta u: the formula of mobius_add.h
// with p = x + beta u. 1 - c|v|^2 is computed as sech^2 of the argument of tanh, so that a long step toward the rim, or back
// from it, is accurate. If tanh rounds to 1, beta is 1 / (sqrt c |u|) and does not depend on lambda_x: near the rim
// the derivative of the tanh form would cancel and leave noise of size lambda_x^2.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"
#include "mobius_add.h"

namespace horoball::rowwise {

struct Expmap : RowCard {
  static constexpr bool kPairScaled = true;
  static constexpr RowInfo kInfo{
      .name = "expmap",
      .doc =
          "Exponential map: the point that the geodesic from `x` with velocity `u` reaches after unit "
          "time. The result of a long `u` may round onto the rim; `project` brings it back inside.",
      .inputs = {{"x", "ball points"}, {"u", "tangent vectors at `x`", RowDomain::anywhere}},
      .published = true,
  };
  static constexpr double kFull = 20;
  template <class T>
  HD static T beta(const RowState<T>& r) {
    if (!r.hypmix) {
      const T z = r.c * r.y2 / (r.a * r.a);
      return value(z) > kFull * kFull ? 1 / root(r.c * r.y2) : tanhc(z) / r.a;
    }
    const T n = hypmix::norm(r.y2) / r.a;
    return hypmix::tanhc(r.c * n * n) / r.a;
  }
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowState<T> sum = r;
    sum.b = r.hypmix ? 1 - r.c * r.beta * r.beta * r.y2 : sech2(r.c * r.y2 / (r.a * r.a));
    return mobius_terms(sum);
  }
};

}  // namespace horoball::rowwise
