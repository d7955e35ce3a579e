// Riemannian gradient, the Euclidean gradient g divided by lambda_x^2: g (1 - c|x|^2)^2 / 4.
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct RiemannianGradient : RowCard {
  static constexpr RowInfo kInfo{
      .name = "riemannianGradient",
      .doc =
          "Riemannian gradient from the Euclidean one: `gradient (1 - c|x|^2)^2 / 4`. The norm of `gradient` "
          "may be up to 1e150, so that its square is in range: longer gradients give NaN.",
      .inputs = {{"x", "ball points"}, {"gradient", "Euclidean gradients at `x`", RowDomain::anywhere}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.y = r.a * r.a / 4;
    return out;
  }
};

}  // namespace horoball::rowwise
