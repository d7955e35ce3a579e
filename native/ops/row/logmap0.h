// Logarithmic map at the origin, artanh(sqrt c |y|) y / (sqrt c |y|).
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Logmap0 : RowCard {
  static constexpr RowInfo kInfo{
      .name = "logmap0",
      .doc =
          "Logarithmic map at the origin, the inverse of `expmap0`: `artanh(sqrt(c) |y|) y / (sqrt(c) |y|)`.",
      .inputs = {{"y", "ball points"}},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    if (r.hypmix) {
      const T n = hypmix::norm(r.x2);
      out.x = hypmix::artanhc(r.c * n * n);
    } else {
      out.x = artanhc(r.c * r.x2, r.a);
    }
    return out;
  }
};

}  // namespace horoball::rowwise
