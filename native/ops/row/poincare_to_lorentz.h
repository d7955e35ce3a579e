// From the ball to the hyperboloid -t^2 + |s|^2 = -1/c: time (1 + c|x|^2) / (sqrt c (1 - c|x|^2)), space
// lambda_x x.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct PoincareToLorentz : RowCard {
  static constexpr RowInfo kInfo{
      .name = "poincareToLorentz",
      .doc =
          "From the ball to the hyperboloid of curvature `-c`, with one more coordinate: first time `(1 + "
          "c|x|^2) / (sqrt(c) (1 - c|x|^2))`, then space `2x / (1 - c|x|^2)`.",
      .inputs = {{"x", "ball points"}},
      .result = RowResult::lifted,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = (1 + r.c * r.x2) / (r.a * root(r.c));
    out.x = 2 / r.a;
    return out;
  }
};

}  // namespace horoball::rowwise
