// The list of row cards, the only registry of row-wise operations. A card's position is its index, RowArgs::op.
#pragma once

#include "row/clip.h"
#include "row/conformal_factor.h"
#include "row/dist.h"
#include "row/dist0.h"
#include "row/dist_to_plane.h"
#include "row/expmap.h"
#include "row/expmap0.h"
#include "row/exterior_angle.h"
#include "row/geodesic.h"
#include "row/gyration.h"
#include "row/half_aperture.h"
#include "row/hyperbolic_softmax.h"
#include "row/klein_to_poincare.h"
#include "row/logmap.h"
#include "row/logmap0.h"
#include "row/lorentz_factor.h"
#include "row/lorentz_to_poincare.h"
#include "row/midpoint.h"
#include "row/mobius_add.h"
#include "row/mobius_matvec.h"
#include "row/mobius_scalar_mul.h"
#include "row/mobius_sub.h"
#include "row/parallel_transport.h"
#include "row/parallel_transport0.h"
#include "row/poincare_to_klein.h"
#include "row/poincare_to_lorentz.h"
#include "row/project.h"
#include "row/riemannian_gradient.h"

namespace horoball::rowwise {

template <class... Cards>
struct RowList {
  static constexpr int kSize = sizeof...(Cards);
};

using RowCards =
    RowList<MobiusAdd, MobiusSub, MobiusScalarMul, MobiusMatvec, Gyration, Expmap0, Logmap0, Expmap, Logmap,
            Dist, Dist0, ConformalFactor, Project, Clip, Geodesic, ParallelTransport, ParallelTransport0,
            PoincareToKlein, KleinToPoincare, PoincareToLorentz, LorentzToPoincare, LorentzFactor,
            EinsteinMidpoint, WeightedMidpoint, DistToPlane, HyperbolicSoftmax, RiemannianGradient,
            HalfAperture, LorentzHalfAperture, ExteriorAngle, LorentzExteriorAngle>;

}  // namespace horoball::rowwise
