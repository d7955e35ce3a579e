// Half aperture of the entailment cone at x with parameter K, arcsin(K (1 - c|x|^2) / (sqrt c |x|)), and on the hyperboloid
// arcsin(2 K / (sqrt c |x|)) with the space coordinates x. Both are the same angle, because the space coordinates of a ball
// point x are 2x/(1 - c|x|^2).
#pragma once

#include "cone.h"

namespace horoball::rowwise {

struct HalfAperture : RowCard {
  static constexpr RowInfo kInfo{
      .name = "halfAperture",
      .doc =
          "Half aperture of the entailment cone at a point, in radians, one number per row: `arcsin(K (1 - c|x|^2) / "
          "(sqrt(c) |x|))` (Ganea et al. 2018), or pi/2 near the origin, where the quotient is above 1.",
      .gradient = kConeGradient,
      .inputs = {{"x", "ball points"}},
      .parameter = kMinRadius,
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = aperture(r.t * r.a, root(r.c * r.x2));
    return out;
  }
};

struct LorentzHalfAperture : RowCard {
  static constexpr RowInfo kInfo{
      .name = "lorentzHalfAperture",
      .doc =
          "`halfAperture` on the hyperboloid of curvature `-c`, from the space coordinates: `arcsin(2K / (sqrt(c) |x|))` "
          "(MERU, Desai et al. 2023).",
      .gradient = kConeGradient,
      .inputs = {space_point("x")},
      .parameter = kMinRadius,
      .result = RowResult::number,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    out.value = aperture(2 * r.t, root(r.c * r.x2));
    return out;
  }
};

}  // namespace horoball::rowwise
