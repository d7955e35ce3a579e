// Projection into the ball: a vector of norm above (1 - margin)/sqrt c is shortened to it.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Project : RowCard {
  static constexpr RowInfo kInfo{
      .name = "project",
      .doc = "Projection into the ball: vectors longer than `(1 - margin)/sqrt(c)` are shortened to that.",
      .gradient = "Where the projection acts, the radial part of the gradient is 0.",
      .inputs = {{"x", "vectors", RowDomain::anywhere}},
      .parameter = {.name = "margin",
                    .doc = "what is left of the radius, as a part of it",
                    .start = hypmix::kMargin,
                    .low = 0,
                    .high = 1},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T n = r.hypmix ? hypmix::norm(r.x2) : root(r.x2);
    const T most = (1 - r.t) / root(r.c);
    RowTerms<T> out;
    out.x = value(n) > value(most) ? most / n : T(1);
    return out;
  }
};

}  // namespace horoball::rowwise
