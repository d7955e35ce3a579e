// Lorentz factor of a point of the Klein ball, 1 / sqrt(1 - c|x|^2).
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct LorentzFactor : RowCard {
  static constexpr RowInfo kInfo{
      .name = "lorentzFactor",
      .doc = "Lorentz factor of points of the Klein ball, one number per row: `1 / sqrt(1 - c|x|^2)`.",
      .inputs = {{"x", "points of the Klein ball", RowDomain::klein}},
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = 1 / root(r.a);
    return out;
  }
};

}  // namespace horoball::rowwise
