// Parallel transport from the origin, (1 - c|y|^2) u.
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct ParallelTransport0 : RowCard {
  static constexpr RowInfo kInfo{
      .name = "parallelTransport0",
      .doc =
          "Parallel transport of `u` from the origin to `y`: `(1 - c|y|^2) u`. The norm of `u` may be up to "
          "1e150, so that its square is in range: longer vectors give NaN.",
      .inputs = {{"y", "ball points"}, {"u", "tangent vectors at the origin", RowDomain::anywhere}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.y = r.a;
    return out;
  }
};

}  // namespace horoball::rowwise
