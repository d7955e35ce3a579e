// Parallel transport from x to y, gyr[y,-x]u lambda_x/lambda_y: the formula of gyration.h with (x, y) replaced by (y, -x). Its
// p is then y - x, the negative of p in RowState.
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct ParallelTransport : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "parallelTransport",
      .doc =
          "Parallel transport of `u` along the geodesic from `x` to `y`, which preserves inner products: "
          "`gyr[y, -x] u lambda_x / lambda_y`.",
      .inputs = {{"x", "ball points, the start"},
                 {"y", "ball points, the destination"},
                 {"u", "tangent vectors at `x`", RowDomain::anywhere}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T scale = r.b / r.a, d = r.a * r.b + r.c * r.p2, k = 2 * r.c / d * scale;
    RowTerms<T> out;
    out.y = -k * ((r.a + r.c * r.p2) * r.pu + r.c * r.p2 * r.yu);
    out.p = k * (r.b * r.yu - r.c * r.y2 * r.pu);
    out.u = scale;
    return out;
  }
};

}  // namespace horoball::rowwise
