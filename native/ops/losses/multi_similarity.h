// The multi-similarity loss (Wang et al., CVPR 2019), with the logit as the similarity:
//
//   1/alpha log(1 + sum_p exp(-alpha (S_p - base))) + 1/beta log(1 + sum_n exp(beta (S_n - base)))
//
// The kernels see u = beta S, of which the negatives need no other multiple; for positives alpha S = (alpha/beta) u. An
// anchor without positives still has the second part.
#pragma once

#include "ops/losses/card.h"

namespace horoball {
namespace {
namespace losses {

struct MultiSimilarity : LossCard {
  static constexpr LossInfo kInfo = {.name = "multi-similarity",
                                     .label = "multi-similarity",
                                     .formula =
                                         "log(1 + sum_p exp(-alpha (S_p - base)))/alpha + "
                                         "log(1 + sum_n exp(beta (S_n - base)))/beta"};
  static constexpr bool kLogSum = true;

  double factor() const { return numbers.beta; }
  double rate() const { return -numbers.alpha / numbers.beta; }

  AnchorTerms terms(const AnchorSums& s) const {
    const double alpha = numbers.alpha, beta = numbers.beta, base = numbers.base;
    AnchorTerms out;
    if (s.positives > 0) {
      out.loss += soft_plus(s.positive_log + alpha * base).value / alpha;
      out.anchor = {log_add(s.positive_log, -alpha * base), -1 / beta, 0};
    }
    if (s.negatives > 0) {
      out.loss += soft_plus(s.negative_log - beta * base).value / beta;
      out.reference = log_add(s.negative_log, beta * base) + std::log(beta);
    }
    out.count = s.positives + s.negatives > 0 ? 1 : 0;
    return out;
  }

  template <class V>
  HD V positive_weight(V u, const Anchor<V>& anchor) const {
    return anchor.factor * exp(constant<V>(rate()) * u - anchor.center);
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
