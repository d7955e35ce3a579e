// Signed distance to a hyperplane, 1/sqrt c arsinh(2 sqrt c <w,a> / ((1 - c|w|^2)|a|)) with w = (-p) (+) x (Möbius
// addition). With q = x - p, A = 1 - c|x|^2 and B = 1 - c|p|^2, the argument is 2 sqrt c (B<q,a> - c|q|^2<p,a>) / (A B
// |a|). RowState has other names: its y is p, its u is a, and its pair p is q.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

// |a|, or NaN if its square overflows.
template <class T>
HD T normal_length(const RowState<T>& r) {
  const T length = root(r.u2);
  return value(length) < HUGE_VAL ? length : length - length;
}

// B<q,a> - c|q|^2<p,a>, the numerator of <w,a>.
template <class T>
HD T along_normal(const RowState<T>& r) {
  return r.b * r.pu - r.c * r.p2 * r.yu;
}

// sinh of sqrt c times the distance; 0 for a = 0, which defines no plane.
template <class T>
HD T plane_sinh(const RowState<T>& r) {
  return value(r.u2) > 0 ? 2 * root(r.c) * along_normal(r) / (r.a * r.b * normal_length(r)) : T(0);
}

struct DistToPlane : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "distToPlane",
      .doc =
          "Signed distance from `x` to the hyperplane formed by the geodesics through `p` orthogonal to "
          "`a`, one number per row; positive on the side that `a` points to. It does not depend on the norm of `a`, "
          "which must be from 1e-150 to 1e150, so that its square is in range: longer normals give NaN, and "
          "shorter ones count as 0, which defines no plane and gives 0.",
      .inputs = {{"x", "ball points"},
                 {"p", "ball points of the planes"},
                 {"a", "normals of the planes", RowDomain::anywhere}},
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = arsinh(plane_sinh(r)) / root(r.c);
    return out;
  }
};

}  // namespace horoball::rowwise
