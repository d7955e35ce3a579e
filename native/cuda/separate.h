// Squared differences of a tile of pairs, from the product, and directly from the rows where that would
// cancel.
#pragma once

#include "cuda/rows.h"

namespace horoball::gpu {
namespace {

template <class Card, class T>
__device__ T squared_from(T g, const Packed<T>& x, std::int64_t i, const Packed<T>& y, std::int64_t j) {
  const T s = fma(T(-2), g, x.n[i] + y.n[j]);
  if constexpr (Card::kRows == Rows::minkowski) {
    return fma(4 * x.q[i], y.q[j], s);  // the times, counted negatively
  } else {
    return s;
  }
}

// By which a tile's threshold is above the CPU's: tensor cores cut sums off where a multiply-add rounds them.
template <class T>
constexpr double kCut = sizeof(T) == 4 ? 2 : 1;

// Negative where s is too small a part of the norms to be right.
template <class Card, class T>
__device__ T nearness(T s, const Packed<T>& x, std::int64_t i, const Packed<T>& y, std::int64_t j) {
  constexpr bool kMinkowski = Card::kRows == Rows::minkowski;
  constexpr double kPart = kCut<T> * (kMinkowski ? kNearMinkowski : kNear);
  return fma(static_cast<T>(-kPart), kMinkowski ? x.size[i] + y.size[j] : x.n[i] + y.n[j], s);
}

// The exact squared difference; +infinity from a row outside to any other point. `same`: place i of x is
// place i of y.
template <class Card, class T>
__device__ __attribute__((noinline)) T direct(const Packed<T>& x, std::int64_t i, const Packed<T>& y,
                                              std::int64_t j, bool same) {
  if (same && i == j) return 0;
  const T *a = x.row(i), *b = y.row(j);
  if (a == nullptr || b == nullptr) return 1;
  if constexpr (Card::kRows == Rows::unit) {
    if (x.scale[i] == 0 || y.scale[j] == 0) return 2;
  }
  const double s = squared_difference(a, x.scale[i], b, y.scale[j], x.depth, Card::kRows == Rows::minkowski);
  const T outside = static_cast<T>(kOutside);
  if (s > 0 && (x.n[i] == outside || y.n[j] == outside)) return static_cast<T>(HUGE_VAL);
  return static_cast<T>(s);
}

// This thread's squared differences of a tile of rows with a tile of rows.
template <class Card, class T>
__device__ void separate(Slabs<T>& shared, const Packed<T>& x, std::int64_t x_tile, const Packed<T>& y,
                         std::int64_t y_tile, bool same, Sums<T>& s) {
  product(shared, x.panel(x_tile), y.panel(y_tile), x.deep, x.plain, s);
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) {
      const std::int64_t i = x_tile * kSide<T> + first_row<T>() + r,
                         j = y_tile * kSide<T> + first_column<T>() + c;
      s[r][c] = squared_from<Card>(s[r][c], x, i, y, j);
      if (nearness<Card>(s[r][c], x, i, y, j) < 0) s[r][c] = direct<Card>(x, i, y, j, same);
    }
  }
}

}  // namespace
}  // namespace horoball::gpu
