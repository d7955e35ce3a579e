// Logits of the hyperbolic softmax (Ganea et al. 2018, arXiv 1805.09112, section 5): lambda_p |a| times the signed
// distance to the hyperplane of each class. See dist_to_plane.h for the formula and its variables.
#pragma once

#include "../hypmix.h"
#include "../row_card.h"
#include "../smooth.h"
#include "dist_to_plane.h"

namespace horoball::rowwise {

struct HyperbolicSoftmax : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "hyperbolicSoftmax",
      .doc =
          "Logits of hyperbolic multinomial logistic regression, rows x classes: `lambda_p |a|` times the signed "
          "distance to each class's hyperplane. A layer with tangent parameters P, A has `p = expmap0(P)`, "
          "`a = (1 - c|p|^2) A`. The norm of `a` must be from 1e-150 to 1e150, so that its square is in "
          "range: longer normals give NaN, and shorter ones give 0.",
      .inputs = {{"x", "ball points"},
                 {"p", "one ball point per class"},
                 {"a", "one normal per class", RowDomain::anywhere}},
      .family = RowFamily::planes,
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    RowTerms<T> out;
    const T height = r.hypmix ? hypmix::arsinh(published_sinh(r)) : arsinh(plane_sinh(r));
    out.value = 2 * normal_length(r) / (root(r.c) * r.b) * height;
    return out;
  }

 private:
  // plane_sinh with the biased addition: the denominator of w is D + bias with D = ab + c|q|^2.
  template <class T>
  HD static T published_sinh(const RowState<T>& r) {
    const double e = hypmix::kBias;
    const T ab = r.a * r.b, d = ab + r.c * r.p2;
    const T inside = d * ab + 2 * e * d + e * e;
    return value(r.u2) > 0 ? 2 * root(r.c) * along_normal(r) * (d + e) / (normal_length(r) * inside) : T(0);
  }
};

}  // namespace horoball::rowwise
