// The Proxy-Anchor loss (Kim et al., CVPR 2020), with the logit as the similarity. The anchors are the proxies, and the
// candidates the rows of a batch:
//
//   mean over proxies with positives of log(1 + sum_p exp(-alpha (S_p - base - margin)))
//   + mean over all proxies of log(1 + sum_n exp(beta (S_n - base + margin)))
//
// As published, alpha = beta and base = 0. The first mean is over fewer proxies, so its terms are multiplied by `balance`.
// One mean over all anchors then gives both.
#pragma once

#include "ops/losses/similarity.h"

namespace horoball {
namespace {
namespace losses {

struct ProxyAnchor : SimilarityCard {
  static constexpr LossInfo kInfo = {.name = "proxy-anchor",
                                     .label = "Proxy-Anchor",
                                     .formula =
                                         "log(1 + sum_p exp(-alpha (S_p - base - margin))) + "
                                         "log(1 + sum_n exp(beta (S_n - base + margin)))"};
  static constexpr bool kBalanced = true;

  AnchorTerms terms(const AnchorSums& s) const {
    const auto [alpha, beta, base, margin] = parameters;
    AnchorTerms out;
    if (s.positives > 0) {
      const double from = -alpha * (base + margin);
      out.loss += s.balance * soft_plus(s.positive_log - from).value;
      out.anchor = {log_add(s.positive_log, from), -s.balance * alpha / beta, 0};
    }
    if (s.negatives > 0) {
      const double from = beta * (base - margin);
      out.loss += soft_plus(s.negative_log - from).value;
      out.reference = log_add(s.negative_log, from);
    }
    out.count = s.positives + s.negatives > 0 ? 1 : 0;
    return out;
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
