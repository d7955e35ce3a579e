// Logarithmic map, 2/(sqrt c lambda_x) artanh(sqrt c |w|) w/|w| with w = (-x) (+) y (Möbius addition). With p = x - y and
// D = ab + c|p|^2, w = -(a p + c|p|^2 x)/D, |w|^2 = |p|^2/D and 1 - c|w|^2 = ab/D, which are accurate for near
// points and smooth at coincident points.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Logmap : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "logmap",
      .doc =
          "Logarithmic map, the inverse of `expmap`: the velocity at `x` of the geodesic that reaches `y` "
          "after unit time. Exactly 0 for equal points, even with `compat`, although the published code "
          "divides 0 by 0 there.",
      .inputs = {{"x", "ball points"}, {"y", "ball points"}},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T d = r.a * r.b + r.c * r.p2;
    T scale;
    if (r.hypmix) {
      const T biased = d + hypmix::kBias;
      scale = r.a * hypmix::artanhc(r.c * r.p2 * d / (biased * biased)) / biased;
    } else {
      scale = r.a * artanhc(r.c * r.p2 / d, r.a * r.b / d) / d;
    }
    RowTerms<T> out;
    out.x = -scale * r.c * r.p2;
    out.p = -scale * r.a;
    return out;
  }
};

}  // namespace horoball::rowwise
