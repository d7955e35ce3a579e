// From the hyperboloid to the ball, s / (1 + sqrt c t) for a point with time t and space s.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct LorentzToPoincare : RowCard {
  static constexpr RowInfo kInfo{
      .name = "lorentzToPoincare",
      .doc =
          "From the hyperboloid of curvature `-c` (time first) to the ball, with one fewer coordinate: "
          "`space / (1 + sqrt(c) time)`.",
      .inputs = {{"x", "points of the hyperboloid, time first", RowDomain::hyperboloid}},
      .lifted_input = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.x = 1 / (1 + root(r.c) * r.time);
    return out;
  }
};

}  // namespace horoball::rowwise
