// Projection into the ball: a vector longer than m = (1 - margin)/sqrt c is scaled to the norm m.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Project : RowCard {
  static constexpr RowInfo kInfo{
      .name = "project",
      .doc = "Projection into the ball: vectors longer than `(1 - margin)/sqrt(c)` are scaled down to it.",
      .gradient = "Where the projection is active, the radial part of the gradient is 0.",
      .inputs = {{"x", "vectors", RowDomain::anywhere}},
      .parameter = {.name = "margin",
                    .doc = "the minimum distance from the rim, as a fraction of the radius",
                    .start = hypmix::kMargin,
                    .low = 0,
                    .high = 1},
      .published = true,
  };
  // Returns the factor by which a vector of norm `norm` is scaled.
  template <class T, class Margin>
  HD static T factor(const T& norm, const T& c, Margin margin) {
    const T most = (1 - margin) / root(c);
    return value(norm) > value(most) ? most / norm : T(1);
  }
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.x = factor(r.hypmix ? hypmix::norm(r.x2) : root(r.x2), r.c, r.t);
    return out;
  }
};

}  // namespace horoball::rowwise
