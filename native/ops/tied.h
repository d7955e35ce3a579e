// Tied heads: the ball points are project(expmap0(clip(z))) of unit rows z, so all have one radius.
#pragma once

#include <cmath>

#include "core.h"
#include "ops/metrics.h"
#include "ops/smooth.h"

namespace horoball {
namespace {

// Radius of the ball points of tied heads, project(expmap0(clip(z))) for unit z, and its derivative in c.
struct TiedRadius {
  double radius = 1, by_curvature = 0;
};

inline TiedRadius tied_radius(double c, double clip, Guards guards) {
  constexpr double kMargin = 1e-3, kBias = 1e-5;
  const double root = std::sqrt(c);
  const double clipped = guards == Guards::hypmix ? clip / (1 + kBias) : clip;
  const double reach = clipped < 1 ? clipped : 1;
  if (std::tanh(root * reach) > 1 - kMargin) return {(1 - kMargin) / root, -(1 - kMargin) / (2 * c * root)};
  // Its slope by the series: reach (1 - tanh^2) - tanh/sqrt(c) would cancel where c is small.
  const auto f = rowwise::tanhc(rowwise::Dual<1>::variable(c * reach * reach, 0));
  return {reach * f.v, reach * reach * reach * f.d[0]};
}

// The card's quantity for every row of tied heads.
inline double tied_quantity(const ContrastArgs& args, double radius) {
  const double a = 1 - args.c * radius * radius;
  if (args.geometry == Geometry::chordal || args.geometry == Geometry::euclidean) return 1;
  return args.guards == Guards::hypmix ? PoincareHypmix{args.c}.q(a) : Poincare{args.c}.q(a);
}

}  // namespace
}  // namespace horoball
