// The multi-similarity loss (Wang et al., CVPR 2019), with the logit as the similarity:
//
//   1/alpha log(1 + sum_p exp(-alpha (S_p - base))) + 1/beta log(1 + sum_n exp(beta (S_n - base)))
//
// An anchor without positives still has the second part.
#pragma once

#include "ops/losses/similarity.h"

namespace horoball {
namespace {
namespace losses {

struct MultiSimilarity : SimilarityCard {
  static constexpr LossInfo kInfo = {.name = "multi-similarity",
                                     .label = "multi-similarity",
                                     .formula =
                                         "log(1 + sum_p exp(-alpha (S_p - base)))/alpha + "
                                         "log(1 + sum_n exp(beta (S_n - base)))/beta"};

  AnchorTerms terms(const AnchorSums& s) const {
    const double alpha = parameters.alpha, beta = parameters.beta, base = parameters.base;
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
};

}  // namespace losses
}  // namespace
}  // namespace horoball
