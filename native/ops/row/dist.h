// Geodesic distance, 2/sqrt c arsinh(sqrt u) with u = c|x-y|^2 / ((1 - c|x|^2)(1 - c|y|^2)). The equivalent form
// 2/sqrt c artanh(sqrt c |(-x) (+) y|) with Möbius addition (+) would cancel for near points and saturate at the rim.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Dist : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "dist",
      .doc = "Geodesic distance, one number per row: `2/sqrt(c) artanh(sqrt(c) |(-x) (+) y|)`.",
      .gradient =
          "The distance between equal points is exactly 0; points on or outside the rim are infinitely far from all "
          "others. The gradient is 0 in both cases.",
      .inputs = {{"x", "ball points"}, {"y", "ball points"}},
      .result = RowResult::number,
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T ab = r.a * r.b;
    RowTerms<T> out;
    if (r.hypmix) {
      const T d = ab + r.c * r.p2, biased = d + hypmix::kBias;
      const T w2 = r.p2 * d / (biased * biased);
      out.value = 2 * root(w2) * hypmix::artanhc(r.c * w2);
    } else if (on_rim(r.a) || on_rim(r.b)) {
      out.value = value(r.p2) > 0 ? HUGE_VAL : 0;
    } else {
      out.value = 2 * root(r.p2) * arsinhc(r.c * r.p2 / ab) / root(ab);
    }
    return out;
  }
};

}  // namespace horoball::rowwise
