// Distance to the origin, 2/sqrt c artanh(sqrt c |x|).
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Dist0 : RowCard {
  static constexpr RowInfo kInfo{
      .name = "dist0",
      .doc = "Geodesic distance to the origin, one number per row: `2/sqrt(c) artanh(sqrt(c) |x|)`.",
      .gradient = "Infinite on and outside the rim. The gradient is 0 there and at the origin.",
      .inputs = {{"x", "ball points"}},
      .result = RowResult::number,
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T z = r.c * r.x2;
    RowTerms<T> out;
    if (r.hypmix) {
      out.value = 2 * root(r.x2) * hypmix::artanhc(z);
    } else if (on_rim(r.a)) {
      out.value = HUGE_VAL;
    } else {
      out.value = 2 * root(r.x2) * artanhc(z, r.a);
    }
    return out;
  }
};

}  // namespace horoball::rowwise
