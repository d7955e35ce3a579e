// From the Klein ball to the Poincaré ball, x / (1 + sqrt(1 - c|x|^2)).
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct KleinToPoincare : RowCard {
  static constexpr RowInfo kInfo{
      .name = "kleinToPoincare",
      .doc = "From the Klein ball to the Poincaré ball of the same radius: `x / (1 + sqrt(1 - c|x|^2))`.",
      .inputs = {{"x", "points of the Klein ball", RowDomain::klein}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.x = 1 / (1 + root(r.a));
    return out;
  }
};

}  // namespace horoball::rowwise
