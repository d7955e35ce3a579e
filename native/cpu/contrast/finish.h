// Computes the loss, its softmax denominators and the statistics from the log-sum-exp of every sample and view.
//
// For anchor i of view a and its positive S+ in view b: N_ab = logsumexp of its negatives in the views a and
// b, loss_ab(i) = log(1 + exp(N_ab - S+)), which keeps its digits however small it is, and
// L_ab = logaddexp(N_ab, S+). The weight of a negative in view b is exp(S - L_ab). For a negative in the anchor's
// own view it is the sum over b of exp(S - L_ab), so that entry stores -log sum exp(-L_ab). The weight of the
// positive is exp(S+ - L_ab) - 1 = -exp(N_ab - L_ab), which is never computed as that difference.
#pragma once

#include "cpu/contrast/forward.h"

namespace horoball {
namespace {

template <class T>
void Contrast<T>::finish_forward() {
  for_each(memory_.workers, map_.count, [&](std::int64_t block, int) { finish_block(block); });
  double loss = 0;
  for (std::int64_t b = 0; b < map_.count; ++b) loss += memory_.sums[b].loss;
  if (args_.loss != nullptr) *args_.loss = loss * term_weight();
  if (args_.stats != nullptr) report_stats();
}

// The weight of one term of one ordered pair of views in the loss: 1/classes, and also 1/pairs for the mean.
template <class T>
double Contrast<T>::term_weight() const {
  const double pairs = static_cast<double>(map_.views * (map_.views - 1));
  return 1 / (static_cast<double>(map_.classes) * (args_.mean ? pairs : 1));
}

// The odds of the negatives against the positives for a vector of anchors. The sums over the negatives of the
// two views are passed as totals of exp(S - top).
template <class V>
struct Odds {
  V loss, whole, miss;  // loss_ab, L_ab, and the probability of the positive minus 1

  Odds(V p_top, V p_total, V q_top, V q_total, V positive, bool alone) {
    using T = typename V::Scalar;
    const V zero(T(0)), one(T(1)), top = max(p_top, q_top);
    const V log_total = log(fma(p_total, exp(p_top - top), q_total * exp(q_top - top)));
    V gap = (top - positive) + log_total;  // N_ab - S+
    // Without negatives the loss is 0 even if the positive is infinitely far.
    if (alone) gap = where(gap > zero, V(static_cast<T>(kNone)), gap);
    const V odds = exp(min(gap, -gap)), tail = log1p(odds);
    loss = max(zero, gap) + tail;
    whole = max(top + log_total, positive) + tail;
    miss = -(where(gap > zero, one, odds) / (one + odds));
  }
};

template <class T>
void Contrast<T>::finish_block(std::int64_t block) {
  const std::int64_t own = map_.view(block), size = map_.size(block);
  const LogSums<T>& state = memory_.state;
  BlockSums& sums = memory_.sums[block];
  for (std::int64_t i = 0; i < size; i += V::kLanes) {
    const std::int64_t own_at = place(own, block) + i;
    const V q_top = V::load(state.top + own_at), q_total = V::load(state.total + own_at);
    const V column = V::ramp() + V(static_cast<T>(i)), zero(T(0)), one(T(1));
    const auto real = column < V(static_cast<T>(size));
    const V label = column + V(static_cast<T>(map_.first_class(block)));
    V lowest(Bits<T>::kHuge), inverse = zero;  // exp(-L_ab) summed over b, as inverse * exp(-lowest)
    for (std::int64_t view = 0; view < map_.views; ++view) {
      if (view == own) continue;
      const std::int64_t at = place(view, block) + i;
      const V top = V::load(state.top + at), positive = V::load(state.positive + at);
      const Odds<V> odds(top, V::load(state.total + at), q_top, q_total, positive, map_.classes == 1);
      odds.whole.store(state.top + at);
      odds.miss.store(state.positive + at);
      sums.loss += static_cast<double>(sum(where(real, odds.loss, zero)));
      const V first = min(V::load(state.first + at), where(positive == top, label, V(Bits<T>::kHuge)));
      const V best = where(positive > top, label, first);
      sums.hits += static_cast<double>(sum(where(real, where(best == label, one, zero), zero)));
      ContrastStats& recorded = memory_.stats[block * map_.views + view];
      const V highest = where(real, max(positive, top), V(static_cast<T>(kNone)));
      const double most_here = static_cast<double>(most(highest));
      if (most_here > recorded.max) recorded.max = most_here;
      const V next = min(lowest, odds.whole);
      inverse = fma(inverse, exp(next - lowest), exp(next - odds.whole));
      lowest = next;
    }
    (lowest - log(inverse)).store(state.top + own_at);
  }
}

// Means over the pairs of views. Each pair of blocks occurs once, with the samples of the earlier view as rows.
template <class T>
void Contrast<T>::report_stats() {
  ContrastStats total;
  double hits = 0;
  for (std::int64_t a = 0; a < map_.views; ++a) {
    for (std::int64_t b = a + 1; b < map_.views; ++b) {
      ContrastStats pair{HUGE_VAL, 0, -HUGE_VAL, 0};
      for (std::int64_t block = a * map_.per_view; block < (a + 1) * map_.per_view; ++block) {
        const ContrastStats& part = memory_.stats[block * map_.views + b];
        if (part.min < pair.min) pair.min = part.min;
        if (part.max > pair.max) pair.max = part.max;
        pair.mean += part.mean;
      }
      total.min += pair.min;
      total.max += pair.max;
      total.mean += pair.mean;
    }
  }
  for (std::int64_t b = 0; b < map_.count; ++b) hits += memory_.sums[b].hits;
  const double pairs = static_cast<double>(map_.views * (map_.views - 1) / 2);
  const double classes = static_cast<double>(map_.classes);
  *args_.stats = {total.min / pairs, total.mean / (pairs * classes * classes), total.max / pairs,
                  hits / (2 * pairs * classes)};
}

}  // namespace
}  // namespace horoball
