// Möbius addition, x (+) y = ((1 + 2c<x,y> + c|y|^2) x + (1 - c|x|^2) y) / (1 + 2c<x,y> + c^2|x|^2|y|^2),
// computed as (a p + c|p|^2 x) / (ab + c|p|^2) with p = x + y, a = 1 - c|x|^2 and b = 1 - c|y|^2. All
// coefficients of this form are positive, so it is accurate for y near -x and near the rim.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"

namespace horoball::rowwise {

// Returns the terms of x (+) beta y; b and p of the state belong to beta y (beta: see row_card.h).
template <class T>
HD RowTerms<T> mobius_terms(const RowState<T>& r) {
  const T bias = r.hypmix ? hypmix::kBias : 0;
  const T d = r.a * r.b + r.c * r.p2 + bias;
  RowTerms<T> out;
  out.x = r.c * r.p2 / d;
  out.p = r.a / d;
  return out;
}

struct MobiusAdd : RowCard {
  static constexpr RowInfo kInfo{
      .name = "mobiusAdd",
      .doc = "Möbius addition `x (+) y`: the hyperbolic translation by `x`, applied to `y`.",
      .inputs = {{"x", "ball points"}, {"y", "ball points"}},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    return mobius_terms(r);
  }
};

}  // namespace horoball::rowwise
