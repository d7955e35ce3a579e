// The base class of the losses that compare a log-sum-exp of scaled similarities with `base` and `margin`. The similarity
// is the logit S. The kernels compute u = beta S; negatives use u itself, and positives use -alpha S = rate() u.
#pragma once

#include "ops/losses/card.h"

namespace horoball {
namespace {
namespace losses {

struct SimilarityCard : LossCard {
  static constexpr bool kLogSum = true;

  double factor() const { return parameters.beta; }
  double rate() const { return -parameters.alpha / parameters.beta; }

  template <class V>
  HD V positive_weight(V u, const Anchor<V>& anchor) const {
    return anchor.factor * exp(constant<V>(rate()) * u - anchor.center);
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
