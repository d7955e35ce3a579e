// From the Poincaré ball to the Klein ball, 2x / (1 + c|x|^2).
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct PoincareToKlein : RowCard {
  static constexpr RowInfo kInfo{
      .name = "poincareToKlein",
      .doc = "From the Poincaré ball to the Klein ball of the same radius: `2x / (1 + c|x|^2)`.",
      .inputs = {{"x", "ball points"}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.x = 2 / (1 + r.c * r.x2);
    return out;
  }
};

}  // namespace horoball::rowwise
