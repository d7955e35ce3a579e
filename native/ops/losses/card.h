// The contract of a loss card. A pair loss reads the logits of an anchor with its positives and with its negatives, and
// has one term per positive pair or one per anchor. A card states
//   kInfo             name, label, formula of one term, and tolerance; the head comment names the source
//   kLogSum           whether it reads the log-sum-exp of rate() times the logits of the positives
//   kPairTerms        whether it reads sums of pair_term() over the positives
//   kBalanced         whether it reads the weight of all anchors divided by the weight of the anchors with positives
//                     (1 with Reduction::sum)
//   factor()          multiplies all logits
//   rate()            see kLogSum
//   pair_term(u, n)   value and slope of the term of one positive, from its logit and the log-sum-exp of the negatives
//   terms(sums)       the terms of an anchor, and the numbers from which the weights of its pairs are computed
//   positive_weight(u, anchor)   the derivative of an anchor's terms with respect to the logit of a positive
// The derivative with respect to the logit u of a negative is exp(u - AnchorTerms::reference) for every card.
// pair_term() and positive_weight() are templates over the number type; terms() runs once per anchor, in float64.
#pragma once

#include "ops/contrast.h"
#include "ops/tolerance.h"

namespace horoball {
namespace {

// The accuracy of most cards at temperatures of 0.05 or more. Float32 logits can then reach 400, with errors of up to
// 2e-5, which become relative errors in the weights of the pairs.
constexpr Tolerances kPairLossTolerances = {{1e-6, 1e-14}, {5e-5, 1e-12}, {1e-4, 1e-11}};

struct LossInfo {
  const char* name;
  const char* label;
  const char* formula;  // of one term: p are the positives of the anchor, n its negatives, S the logits
  Tolerances tolerance = kPairLossTolerances;  // on the CPU: there are no kernels for devices
};

// Parameters of the cards derived from losses/similarity.h: the multi-similarity and Proxy-Anchor losses.
struct SimilarityParameters {
  double alpha, beta, base, margin;
};

// The results of the forward pass for an anchor.
struct AnchorSums {
  double positives = 0, negatives = 0;  // counts
  double sum = 0;                       // of the logits of the positives
  double negative_log = 0;              // log-sum-exp of the logits of the negatives
  double positive_log = 0;              // log-sum-exp of rate() times the logits of the positives
  double value = 0, slope = 0;          // sums of the value and the slope of pair_term()
  double balance = 1;                   // see kBalanced
};

// The three numbers of an anchor that positive_weight() reads.
template <class V>
struct Anchor {
  V center, factor, offset;
};

struct AnchorTerms {
  double loss = 0;   // sum of the terms
  double count = 0;  // number of terms
  double reference = HUGE_VAL;
  Anchor<double> anchor = {0, 0, 0};
};

// A term and its derivative with respect to the log-sum-exp of the negatives.
template <class V>
struct PairTerm {
  V value, slope;
};

// The defaults of a card.
struct LossCard {
  static constexpr bool kLogSum = false, kPairTerms = false, kBalanced = false;
  SimilarityParameters parameters;

  double factor() const { return 1; }
  double rate() const { return 1; }
  template <class V>
  HD PairTerm<V> pair_term(V, V) const {
    return {constant<V>(0), constant<V>(0)};
  }
};

// log(1 + exp(x)), and its derivative.
template <class V>
HD PairTerm<V> soft_plus(V x) {
  const V zero = constant<V>(0), one = constant<V>(1);
  const V odds = exp(min(x, -x));
  return {max(zero, x) + log1p(odds), where(x > zero, one, odds) / (one + odds)};
}

inline double log_add(double x, double y) { return y + soft_plus(x - y).value; }

}  // namespace
}  // namespace horoball
