// From the log-sum-exp of every sample and view to the loss, its softmax references and the statistics.
//
// For anchor i of view a: P_b = logsumexp against view b, Q = logsumexp against its own view, and
// loss_ab(i) = L_ab - positive with L_ab = logaddexp(P_b, Q). The weight of a pair with view b is exp(S -
// L_ab); of a pair in the own view it is the sum over b of exp(S - L_ab), so -log sum exp(-L_ab) stands in
// that place.
#pragma once

#include "cpu/contrast_forward.h"

namespace horoball {
namespace {

template <class T>
void Contrast<T>::finish_forward() {
  for_each(memory_.workers, map_.count, [&](std::int64_t block, int) { finish_block(block); });
  double loss = 0;
  for (std::int64_t b = 0; b < map_.count; ++b) loss += memory_.sums[b].loss;
  if (args_.loss != nullptr) *args_.loss = loss * share();
  if (args_.stats != nullptr) report_stats();
}

// Of one term of one ordered pair of views in the loss: 1/classes, and 1/pairs too for the mean.
template <class T>
double Contrast<T>::share() const {
  const double pairs = static_cast<double>(map_.views * (map_.views - 1));
  return 1 / (static_cast<double>(map_.classes) * (args_.mean ? pairs : 1));
}

template <class T>
void Contrast<T>::finish_block(std::int64_t block) {
  const std::int64_t own = map_.view(block), size = map_.size(block);
  const LogSums<T>& state = memory_.state;
  BlockSums& sums = memory_.sums[block];
  for (std::int64_t i = 0; i < size; i += V::kLanes) {
    const std::int64_t own_at = place(own, block) + i;
    const V q = V::load(state.top + own_at) + log(V::load(state.total + own_at));
    const V column = V::ramp() + V(static_cast<T>(i)), zero(T(0));
    const auto real = column < V(static_cast<T>(size));
    const V label = column + V(static_cast<T>(map_.first_class(block)));
    V lowest(Bits<T>::kHuge), inverse = zero;  // exp(-L_ab) summed over b, as inverse * exp(-lowest)
    for (std::int64_t view = 0; view < map_.views; ++view) {
      if (view == own) continue;
      const std::int64_t at = place(view, block) + i;
      const V top = V::load(state.top + at), p = top + log(V::load(state.total + at));
      const V high = max(p, q), low = min(p, q);
      const V both = high + log1p(exp(low - high));
      both.store(state.top + at);
      const V terms = where(real, both - V::load(state.positive + at), zero);
      sums.loss += static_cast<double>(sum(terms));
      sums.hits += static_cast<double>(
          sum(where(real, where(V::load(state.first + at) == label, V(T(1)), zero), zero)));
      ContrastStats& noted = memory_.stats[block * map_.views + view];
      const double most_here = static_cast<double>(most(where(real, top, V(static_cast<T>(kNone)))));
      if (most_here > noted.max) noted.max = most_here;
      const V next = min(lowest, both);
      inverse = fma(inverse, exp(next - lowest), exp(next - both));
      lowest = next;
    }
    (lowest - log(inverse)).store(state.top + own_at);
  }
}

// Means over the pairs of views, each of whose blocks stands once, with the earlier view's samples as rows.
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
