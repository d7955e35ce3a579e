// The center of a list is the mean of its rows. If the metric compares directions, it is the mean of the unit rows, divided by
// its norm. In the ball it is the Einstein midpoint: with a = 1 - c|x|^2, a row x has the Lorentz factor (2 - a)/a and the
// Klein coordinates 2x/(2 - a), so the midpoint is the sum of 2x/a divided by the sum of (2 - a)/a, mapped back to the ball.
//
// The center of a list whose rows are all infinitely far from other rows (see Listed in layout.h) is 0. Bounds are
// computed from the stored centers, so the rounding of a center does not invalidate them.
#pragma once

#include "cpu/frame/call.h"
#include "cpu/lists/layout.h"

namespace horoball {
namespace {

template <class Card, class T>
struct Centers {
  const CentersArgs& args;
  Card card;

  Status compute(const Run& run) {
    const std::int64_t depth = args.rows.cols, count = args.centers.rows;
    double *sums = nullptr, *weights = nullptr;
    return with_scratch(
        run,
        [&](Arena& arena) {
          sums = arena.allocate<double>(count * depth);
          weights = arena.allocate<double>(count);
        },
        [&] {
          for (std::int64_t i = 0; i < count * depth; ++i) sums[i] = 0;
          for (std::int64_t i = 0; i < count; ++i) weights[i] = args.counts[i] = 0;
          for (std::int64_t i = 0; i < args.rows.rows; ++i) {
            if (i % kPoll == 0 && is_cancelled(run)) return;
            const std::int64_t list = args.lists[i];
            if (list >= 0 && list < count) add(row(i), sums + list * depth, weights[list], args.counts[list]);
          }
          for (std::int64_t i = 0; i < count; ++i)
            finish(sums + i * depth, args.counts[i] > 0 ? weights[i] : 1, center(i));
        });
  }

 private:
  static constexpr std::int64_t kPoll = 1024;

  const T* row(std::int64_t i) const { return static_cast<const T*>(args.rows.data) + i * args.rows.cols; }
  T* center(std::int64_t i) const { return static_cast<T*>(args.centers.data) + i * args.rows.cols; }

  void add(const T* x, double* sum, double& weight, std::int32_t& count) const {
    const std::int64_t depth = args.rows.cols;
    const Listed of = listed(card, x, depth);
    if (!of.reachable) return;
    double factor = of.factor;
    if constexpr (Card::kBounded) {
      const double a = one_minus(card.c, square(x, depth, false));
      factor = 2 / a;
      weight += (2 - a) / a;
    } else {
      weight += 1;
    }
    for (std::int64_t k = 0; k < depth; ++k) sum[k] += factor * static_cast<double>(x[k]);
    ++count;
  }

  void finish(const double* sum, double weight, T* to) const {
    const std::int64_t depth = args.rows.cols;
    double n = 0;
    for (std::int64_t k = 0; k < depth; ++k) n += sum[k] * sum[k];
    double factor = 1 / weight;
    if constexpr (Card::kRows == Rows::unit) factor = n > 0 ? 1 / std::sqrt(n) : 0;
    if constexpr (Card::kBounded) {
      const double rest = 1 - card.c * n * factor * factor;
      factor /= 1 + std::sqrt(rest > 0 ? rest : 0);
    }
    for (std::int64_t k = 0; k < depth; ++k) to[k] = static_cast<T>(factor * sum[k]);
    if constexpr (Card::kBounded) {
      // Rounding must not move a center out of the ball.
      while (!listed(card, to, depth).reachable)
        for (std::int64_t k = 0; k < depth; ++k) to[k] *= T(1) - T(0x1p-20);
    }
  }
};

Status centers(const CentersArgs& args, const Run& run) {
  return with_listed_card(args, [&]<class Card, class T>() {
    return Centers<Card, T>{args, Card{args.c}}.compute(run);
  });
}

}  // namespace
}  // namespace horoball
