// Exterior angle at x of the hyperbolic triangle of the origin, x and y: pi minus the angle at x. With q = y - x and
// a = 1 - c|x|^2, the tangent vector from x to y has the components
//   ball: a<x,q> - c|x|^2|q|^2 along x, and a|x ^ q| across;
//   hyperboloid: sqrt c (t_x<x,q> - |x|^2 (2<x,q> + |q|^2)/(t_x + t_y)) along x, and |x ^ q| across,
// up to a common factor, with |x ^ q|^2 = |x|^2|q|^2 - <x,q>^2 and the time coordinate t_x = sqrt(1/c + |x|^2). They
// follow from the published cosines with |y|^2 = |x|^2 + 2<x,q> + |q|^2 and do not cancel for near points. If x, y
// and the origin are almost collinear, |x ^ q| cancels, and the angle is accurate only to 1e-8.
#pragma once

#include "cone.h"

namespace horoball::rowwise {

struct ExteriorAngle : RowDifferenceCard {
  static constexpr bool kPairAlong = true;
  static constexpr RowInfo kInfo{
      .name = "exteriorAngle",
      .doc =
          "Exterior angle at `x` of the geodesic from `x` to `y`, in radians, one number per row: 0 if `y` is "
          "straight outwards from `x`, pi if it is straight inwards (Ganea et al. 2018). `y` is in the "
          "entailment cone of `x` if this angle is at most `halfAperture(x)`. The angle is 0 if `x` is the origin "
          "or equals `y`.",
      .gradient = kConeGradient,
      .inputs = {{"x", "ball points"}, {"y", "ball points"}},
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T out = outward(r);
    RowTerms<T> terms;
    terms.value = angle(r.a * area(r, out), r.a * out - r.c * r.x2 * r.p2);
    return terms;
  }
};

struct LorentzExteriorAngle : RowDifferenceCard {
  static constexpr bool kPairAlong = true;
  static constexpr RowInfo kInfo{
      .name = "lorentzExteriorAngle",
      .doc =
          "`exteriorAngle` on the hyperboloid of curvature `-c`, from the space coordinates of both points "
          "(MERU, Desai et al. 2023).",
      .gradient = kConeGradient,
      .inputs = {space_point("x"), space_point("y")},
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T out = outward(r), here = root(1 / r.c + r.x2), there = root(1 / r.c + r.y2);
    const T along = here * out - r.x2 * (2 * out + r.p2) / (here + there);
    RowTerms<T> terms;
    terms.value = angle(area(r, out), root(r.c) * along);
    return terms;
  }
};

}  // namespace horoball::rowwise
