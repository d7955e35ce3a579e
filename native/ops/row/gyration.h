// Gyration gyr[x,y]u, the rotation by which Möbius addition fails to be associative. With p = x + y, a = 1 - c|x|^2,
// b = 1 - c|y|^2 and D = ab + c|p|^2, it is
//   u + 2c/D ([(b + c|p|^2)<p,u> - c|p|^2<x,u>] x - [a<x,u> + c|x|^2<p,u>] p),
// in which nothing cancels if y is near -x (a short transport).
#pragma once

#include "../row_card.h"

namespace horoball::rowwise {

struct Gyration : RowCard {
  static constexpr RowInfo kInfo{
      .name = "gyration",
      .doc = "Gyration `gyr[x, y] u = -(x (+) y) (+) (x (+) (y (+) u))`, a rotation of `u`.",
      .inputs = {{"x", "ball points"}, {"y", "ball points"}, {"u", "vectors", RowDomain::anywhere}},
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T d = r.a * r.b + r.c * r.p2, k = 2 * r.c / d;
    RowTerms<T> out;
    out.x = k * ((r.b + r.c * r.p2) * r.pu - r.c * r.p2 * r.xu);
    out.p = -k * (r.a * r.xu + r.c * r.x2 * r.pu);
    out.u = 1;
    return out;
  }
};

}  // namespace horoball::rowwise
