// Conformal factor, lambda_x = 2 / (1 - c|x|^2).
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct ConformalFactor : RowCard {
  static constexpr RowInfo kInfo{
      .name = "conformalFactor",
      .doc =
          "Conformal factor, one number per row: `2 / (1 - c|x|^2)`, the ratio of hyperbolic to Euclidean "
          "lengths at `x`.",
      .inputs = {{"x", "ball points"}},
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = 2 / r.a;
    return out;
  }
};

}  // namespace horoball::rowwise
