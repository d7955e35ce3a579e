// NT-Xent, also called InfoNCE: the cross entropy of each positive against all negatives of the anchor (van den Oord et
// al. 2018; Chen et al., ICML 2020). A term is computed as log(1 + exp(N - S_p)) with N = logsumexp_n S_n, so it is
// accurate however small it is. Without negatives a term is 0.
#pragma once

#include "ops/losses/card.h"

namespace horoball {
namespace {
namespace losses {

struct NTXent : LossCard {
  static constexpr LossInfo kInfo = {
      .name = "ntxent", .label = "NT-Xent", .formula = "-log(exp S_p / (exp S_p + sum_n exp S_n))"};
  static constexpr bool kPairTerms = true;

  template <class V>
  HD PairTerm<V> pair_term(V u, V negative_log) const {
    return soft_plus(negative_log - u);
  }

  AnchorTerms terms(const AnchorSums& s) const {
    if (s.negatives == 0) return {.count = s.positives};
    return {s.value, s.positives, s.negative_log - std::log(s.slope), {s.negative_log, -1, 0}};
  }

  template <class V>
  HD V positive_weight(V u, const Anchor<V>& anchor) const {
    return anchor.factor / (constant<V>(1) + exp(u - anchor.center));
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
