// Exponential map at the origin, tanh(sqrt c |u|) u / (sqrt c |u|).
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Expmap0 : RowCard {
  static constexpr RowInfo kInfo{
      .name = "expmap0",
      .doc =
          "Exponential map at the origin: `tanh(sqrt(c) |u|) u / (sqrt(c) |u|)`. The result of a long `u` "
          "may round onto the rim; `project` brings it back inside.",
      .inputs = {{"u", "tangent vectors at the origin", RowDomain::anywhere}},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    if (r.hypmix) {
      const T n = hypmix::norm(r.x2);
      out.x = hypmix::tanhc(r.c * n * n);
    } else {
      out.x = tanhc(r.c * r.x2);
    }
    return out;
  }
};

}  // namespace horoball::rowwise
