// Squared differences of a tile of pairs: s = |x|^2 + |y|^2 - 2<x,y> from the matrix product, and directly
// from the rows where that would cancel (s below kNear of the two norms: there float32 would keep no digit of
// a near pair).
#pragma once

#include "cpu/prepare.h"

namespace horoball {
namespace {

// The two sides of a pairing: rows as given, and prepared.
template <class Card, class T, class XSource, class YSource = XSource>
struct Sides {
  const Card& card;
  const XSource& x_rows;
  const YSource& y_rows;
  const Prepared<T>& x;
  const Prepared<T>& y;
  bool same;  // row i of x is row i of y
};

// Squared differences of row i with a vector of rows from j on, given the inner products.
template <class Card, class T>
HOROBALL_INLINE Vec<T> squared_from(Vec<T> g, const Prepared<T>& x, std::int64_t i, const Prepared<T>& y,
                                    std::int64_t j) {
  using V = Vec<T>;
  const V s = fma(V(T(-2)), g, V(x.n[i]) + V::load(y.n + j));
  if constexpr (Card::kRows == Rows::minkowski) {
    return fma(V(4 * x.q[i]), V::load(y.q + j), s);  // the times, counted negatively
  } else {
    return s;
  }
}

// Negative where s is too small a part of the norms to be right.
template <class Card, class T>
HOROBALL_INLINE Vec<T> nearness(Vec<T> s, const Prepared<T>& x, std::int64_t i, const Prepared<T>& y,
                                std::int64_t j) {
  constexpr bool kMinkowski = Card::kRows == Rows::minkowski;
  const Vec<T> sizes =
      kMinkowski ? Vec<T>(x.size[i]) + Vec<T>::load(y.size + j) : Vec<T>(x.n[i]) + Vec<T>::load(y.n + j);
  return fma(Vec<T>(static_cast<T>(kMinkowski ? -kNearMinkowski : -kNear)), sizes, s);
}

// The exact squared difference of rows i and j; +infinity from a row outside to any other point.
template <class Card, class T, class XSource, class YSource>
inline T direct(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j) {
  if (sides.same && i == j) return 0;
  const T *x = sides.x_rows.row(i), *y = sides.y_rows.row(j);
  if (x == nullptr || y == nullptr) return 1;
  const double s = squared_difference(x, sides.x.scale[i], y, sides.y.scale[j], sides.x.depth,
                                      Card::kRows == Rows::minkowski);
  if constexpr (Card::kRows == Rows::unit) {
    if (sides.x.scale[i] == 0 || sides.y.scale[j] == 0) return 2;
  }
  const T outside = static_cast<T>(kOutside);
  if (s > 0 && (sides.x.n[i] == outside || sides.y.n[j] == outside)) return static_cast<T>(HUGE_VAL);
  return static_cast<T>(s);
}

// Puts the exact squared difference in the place of every s that is not right.
template <class Card, class T, class XSource, class YSource>
[[gnu::noinline]] void mend(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j,
                            T* s) {
  T negative[Vec<T>::kLanes];
  nearness<Card>(Vec<T>::load(s), sides.x, i, sides.y, j).store(negative);
  for (int l = 0; l < Vec<T>::kLanes; ++l) {
    if (negative[l] < 0) s[l] = direct(sides, i, j + l);
  }
}

// Squared differences of rows i .. i + kTileRows with kVectors vectors of rows from j on, into `tile`, rows
// `pitch` apart.
template <int kVectors, class Card, class T, class XSource, class YSource>
inline void separate(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j, T* tile,
                     std::int64_t pitch) {
  using V = Vec<T>;
  constexpr int kCols = kTileCols<T>;
  const T* left = sides.x.panel(i / kCols) + i % kCols;
  const T* right = sides.y.panel(j / kCols);
  const Sums<T, kVectors> g = product<kVectors, Left::by_k>(left, kCols, right, kCols, sides.x.depth);
  V lowest(T(1));
  unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA {
      const std::int64_t column = j + v * V::kLanes;
      const V s = squared_from<Card>(g.row[r][v], sides.x, i + r, sides.y, column);
      lowest = min(nearness<Card>(s, sides.x, i + r, sides.y, column), lowest);
      s.store(tile + r * pitch + v * V::kLanes);
    });
  });
  if (!any(lowest < V(T(0)))) return;
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v)
      mend(sides, i + r, j + v * V::kLanes, tile + r * pitch + v * V::kLanes);
  }
}

}  // namespace
}  // namespace horoball
