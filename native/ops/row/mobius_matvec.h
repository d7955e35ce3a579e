// Möbius matrix-vector product, tanh(|Mx|/|x| artanh(sqrt c |x|)) Mx / (sqrt c |Mx|), and 0 if Mx = 0.
// With q = artanh(sqrt c |x|) / (sqrt c |x|) it is q tanhc(c |Mx|^2 q^2) Mx (tanhc: smooth.h), smooth in both norms, so the
// zero matrix and the origin need no special case. The family passes Mx as y.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"
#include "project.h"

namespace horoball::rowwise {

struct MobiusMatvec : RowCard {
  static constexpr RowInfo kInfo{
      .name = "mobiusMatvec",
      .doc =
          "Möbius matrix-vector product of every row: the linear map `m` in the tangent space at the origin, "
          "`expmap0(m logmap0(x))`. Row `i` of the result has as many coordinates as `m` has rows.",
      .inputs = {{"m", "the matrix", RowDomain::anywhere}, {"x", "ball points"}},
      .family = RowFamily::matvec,
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    if (r.hypmix) {
      const T n = hypmix::norm(r.x2), q = hypmix::artanhc(r.c * n * n);
      const T f = q * hypmix::tanhc(r.c * r.y2 * q * q);
      out.y = f * Project::factor(hypmix::norm(f * f * r.y2), r.c, hypmix::kMargin);
    } else {
      const T q = artanhc(r.c * r.x2, r.a);
      out.y = q * tanhc(r.c * r.y2 * q * q);
    }
    return out;
  }
};

}  // namespace horoball::rowwise
