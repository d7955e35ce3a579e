// The supervised contrastive losses, with the mean over positives outside or inside the logarithm (Khosla et al.,
// NeurIPS 2020, equations 2 and 3). With P = logsumexp_p S_p, N = logsumexp_n S_n and k positives,
//
//   out = (P - mean_p S_p) + log(1 + exp(N - P)),   in = log k + log(1 + exp(N - P)).
//
// The first term of each is exactly 0 for a single positive, so that small losses stay accurate.
#pragma once

#include "ops/losses/card.h"

namespace horoball {
namespace {
namespace losses {

struct SupervisedCard : LossCard {
  static constexpr bool kLogSum = true;

  // Returns log(1 + exp(N - P)), the second term of both losses, and its derivative with respect to N.
  static PairTerm<double> against(const AnchorSums& s) {
    if (s.negatives == 0) return {0, 0};
    return soft_plus(s.negative_log - s.positive_log);
  }
  static double reference(const AnchorSums& s) { return log_add(s.negative_log, s.positive_log); }

  template <class V>
  HD V positive_weight(V u, const Anchor<V>& anchor) const {
    return fma(anchor.factor, exp(u - anchor.center), anchor.offset);
  }
};

struct SupCon : SupervisedCard {
  static constexpr LossInfo kInfo = {.name = "supcon",
                                     .label = "SupCon",
                                     .formula = "-mean_p log(exp S_p / (sum_q exp S_q + sum_n exp S_n))"};

  AnchorTerms terms(const AnchorSums& s) const {
    if (s.positives == 0) return {};
    const PairTerm<double> tail = against(s);
    // With one positive, the weight exp(S_p - P) (1 - slope) - 1 is -slope, without cancellation.
    const Anchor<double> anchor = s.positives == 1
                                      ? Anchor<double>{s.positive_log, -tail.slope, 0}
                                      : Anchor<double>{s.positive_log, 1 - tail.slope, -1 / s.positives};
    return {(s.positive_log - s.sum / s.positives) + tail.value, 1, reference(s), anchor};
  }
};

struct SupConIn : SupervisedCard {
  static constexpr LossInfo kInfo = {.name = "supcon-in",
                                     .label = "SupCon, mean inside",
                                     .formula = "-log mean_p (exp S_p / (sum_q exp S_q + sum_n exp S_n))"};

  AnchorTerms terms(const AnchorSums& s) const {
    if (s.positives == 0) return {};
    const PairTerm<double> tail = against(s);
    return {std::log(s.positives) + tail.value, 1, reference(s), {s.positive_log, -tail.slope, 0}};
  }
};

}  // namespace losses
}  // namespace
}  // namespace horoball
