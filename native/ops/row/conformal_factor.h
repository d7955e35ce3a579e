// Conformal factor, lambda_x = 2 / (1 - c|x|^2).
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct ConformalFactor : RowCard {
  static constexpr RowInfo kInfo{
      .name = "conformalFactor",
      .doc =
          "Conformal factor, a number a row: `2 / (1 - c|x|^2)`, how much longer than Euclidean lengths at "
          "`x` are.",
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
