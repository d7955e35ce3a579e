// Feature clipping (Guo et al., arXiv 2107.11472): x min(1, radius/|x|).
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Clip : RowCard {
  static constexpr RowInfo kInfo{
      .name = "clip",
      .doc =
          "Feature clipping before `expmap0`: vectors longer than `radius` are scaled down to it. Does not depend on "
          "the curvature.",
      .gradient = "Where the clip is active, the radial part of the gradient is 0.",
      .inputs = {{"x", "vectors", RowDomain::anywhere}},
      .parameter = {.name = "radius", .doc = "the largest norm", .start = 2.3, .low = 0},
      .curved = false,
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T n = r.hypmix ? root(r.x2) + hypmix::kBias : root(r.x2);
    RowTerms<T> out;
    out.x = value(n) > value(r.t) ? r.t / n : T(1);
    return out;
  }
};

}  // namespace horoball::rowwise
