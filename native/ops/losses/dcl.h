// Decoupled contrastive learning: NT-Xent without the positive in the denominator (Yeh et al., ECCV 2022). An anchor
// without negatives has no terms.
#pragma once

#include "ops/losses/card.h"

namespace horoball {
namespace {
namespace losses {

struct Decoupled : LossCard {
  static constexpr LossInfo kInfo = {.name = "dcl",
                                     .label = "decoupled contrastive",
                                     .formula = "-S_p + log sum_n exp S_n",
                                     // Looser than usual, because the two parts of a term can cancel.
                                     .tolerance = kPairLossTolerances.with_value({1e-5, 1e-14})};

  AnchorTerms terms(const AnchorSums& s) const {
    if (s.negatives == 0 || s.positives == 0) return {};
    return {s.positives * s.negative_log - s.sum,
            s.positives,
            s.negative_log - std::log(s.positives),
            {0, 0, -1}};
  }

  template <class V>
  HD V positive_weight(V, const Anchor<V>& anchor) const {
    return anchor.offset;
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
