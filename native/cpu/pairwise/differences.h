// Squared differences of a tile of pairs: s = |x|^2 + |y|^2 - 2<x,y> from the matrix product. If s would lose digits to
// cancellation, it is recomputed from the differences of the packed coordinates. If those are not accurate enough or, without
// kFine, few pairs of the tile are near, it is recomputed from the rows in float64.
#pragma once

#include "cpu/pairwise/prepared_rows.h"

namespace horoball {
namespace {

// Thresholds for s, as fractions of the sum of both squared norms. Below kNearPart a pair is near; below kFairPart, s has
// lost digits that a distance needs. Below kBlindPart, differences of packed rows are inaccurate too, because packing rounds
// unit rows. For other rows kBlindPart is 0, so only a negative s is then recomputed from the rows: s is negative for a row
// outside the domain, through rounding, or because squared_of() returned -1.
template <class Card>
constexpr double kBlindPart = Card::kRows == Rows::unit ? kNear : 0;
template <class Card, bool kFine>
constexpr double kThreshold = kFine ? kFairPart<Card> : kNearPart<Card>;

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

// Returns the squared differences between row i and a vector of rows from j on, given the inner products.
template <class Card, class T>
HOROBALL_INLINE Vec<T> squared_from(Vec<T> g, const Prepared<T>& x, std::int64_t i, const Prepared<T>& y,
                                    std::int64_t j) {
  using V = Vec<T>;
  return squared_from_product<Card>(g, V(x.n[i]), V::load(y.n + j), V(x.q[i]), V::load(y.q + j));
}

// Returns the sum of both squared norms, to which the rounding error of s is relative. The norms are Euclidean even for
// minkowski rows.
template <class Card, class T>
HOROBALL_INLINE Vec<T> sizes_of(const Prepared<T>& x, std::int64_t i, const Prepared<T>& y, std::int64_t j) {
  return Card::kRows == Rows::minkowski ? Vec<T>(x.size[i]) + Vec<T>::load(y.size + j)
                                        : Vec<T>(x.n[i]) + Vec<T>::load(y.n + j);
}

// Returns s minus the fraction `part` of the sum of both squared norms, which is negative if s is below that fraction.
template <class Card, class T>
HOROBALL_INLINE Vec<T> nearness(Vec<T> s, const Prepared<T>& x, std::int64_t i, const Prepared<T>& y,
                                std::int64_t j, double part = kNearPart<Card>) {
  return fma(Vec<T>(static_cast<T>(-part)), sizes_of<Card>(x, i, y, j), s);
}

// Returns the squared difference, computed directly from rows i and j; +infinity between a row outside the domain and any
// other point.
template <class Card, class T, class XSource, class YSource>
inline T direct(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j) {
  if (sides.same && i == j) return 0;
  const Prepared<T>&x = sides.x, &y = sides.y;
  return direct_difference<Card, T>({sides.x_rows.row(i), x.n[i], x.scale[i]},
                                    {sides.y_rows.row(j), y.n[j], y.scale[j]}, x.depth);
}

// Replaces every s below the fraction `part` of the sum of both squared norms with the result of direct().
template <class Card, class T, class XSource, class YSource>
[[gnu::noinline]] void correct(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j,
                               T* s, double part) {
  const Vec<T> below = nearness<Card>(Vec<T>::load(s), sides.x, i, sides.y, j, part);
  if (!any(below < Vec<T>(T(0)))) return;
  T negative[Vec<T>::kLanes];
  below.store(negative);
  for (int l = 0; l < Vec<T>::kLanes; ++l) {
    if (negative[l] < 0) s[l] = direct(sides, i, j + l);
  }
}

// Returns squared differences, given the sums of the squared differences of the packed coordinates. For minkowski rows,
// subtracts the square of the time difference twice, because the sum includes it; returns -1 if that cancels.
template <class Card, class T>
HOROBALL_INLINE Vec<T> squared_of(Vec<T> sum, const Prepared<T>& x, std::int64_t i, const Prepared<T>& y,
                                  std::int64_t j) {
  using V = Vec<T>;
  if constexpr (Card::kRows == Rows::minkowski) {
    const V time = V(x.q[i]) - V::load(y.q + j), s = fma(V(T(-2)) * time, time, sum);
    return where(s < V(static_cast<T>(kFair)) * sum, V(T(-1)), s);
  } else {
    return sum;
  }
}

// Whether a tile has so many near pairs that correcting the whole tile is cheaper than correcting each pair.
template <int kVectors, class Card, class T, class XSource, class YSource>
[[gnu::noinline]] bool is_crowded(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i,
                                  std::int64_t j, const T* tile, std::int64_t pitch) {
  using V = Vec<T>;
  const V zero(T(0)), one(T(1));
  V count(T(0));
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const V s = V::load(tile + r * pitch + v * V::kLanes);
      const V near = nearness<Card>(s, sides.x, i + r, sides.y, j + v * V::kLanes);
      count = count + where(near < zero, one, zero);
    }
  }
  return sum(count) > T(2 * kTileRows * kVectors);
}

// Recomputes each s of a tile that is below the fraction kThreshold of the sum of both squared norms, as a sum over the
// packed coordinates. Returns whether any of these sums is still inaccurate.
template <int kVectors, bool kFine, class Card, class T, class XSource, class YSource>
[[gnu::noinline]] bool refine(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j,
                              T* tile, std::int64_t pitch) {
  using V = Vec<T>;
  constexpr int kCols = kTileCols<T>;
  const Sums<T, kVectors> d = differences<kVectors>(sides.x.panel(i / kCols) + i % kCols,
                                                    sides.y.panel(j / kCols), kCols, sides.x.depth);
  V least(T(1));
  unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA {
      const std::int64_t column = j + v * V::kLanes;
      T* at = tile + r * pitch + v * V::kLanes;
      const V s = V::load(at), zero(T(0));
      const V below = nearness<Card>(s, sides.x, i + r, sides.y, column, kThreshold<Card, kFine>);
      const V better = squared_of<Card>(d.row[r][v], sides.x, i + r, sides.y, column);
      const V refined = where(below < zero, better, s);
      if constexpr (Card::kRows == Rows::minkowski) {
        refined.store(at);
        least = min(refined, least);
      } else {
        const V blind = nearness<Card>(s, sides.x, i + r, sides.y, column, kBlindPart<Card>);
        where(blind < zero, s, refined).store(at);
        least = min(blind, least);
      }
    });
  });
  return any(least < V(T(0)));
}

// Writes the squared differences between kTileRows rows from i on and kVectors vectors of rows from j on to `tile`, whose rows
// are `pitch` apart. With kFine, each is accurate enough for a distance, regardless of the other pairs in its tile.
template <int kVectors, bool kFine = false, class Card, class T, class XSource, class YSource>
inline void squared_differences(const Sides<Card, T, XSource, YSource>& sides, std::int64_t i, std::int64_t j,
                                T* tile, std::int64_t pitch) {
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
      lowest = min(nearness<Card>(s, sides.x, i + r, sides.y, column, kThreshold<Card, kFine>), lowest);
      s.store(tile + r * pitch + v * V::kLanes);
    });
  });
  if (!any(lowest < V(T(0)))) return;
  double part = kThreshold<Card, kFine>;
  if (part > kBlindPart<Card> && (kFine || is_crowded<kVectors>(sides, i, j, tile, pitch))) {
    if (!refine<kVectors, kFine>(sides, i, j, tile, pitch)) return;
    part = kBlindPart<Card>;
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v)
      correct(sides, i + r, j + v * V::kLanes, tile + r * pitch + v * V::kLanes, part);
  }
}

}  // namespace
}  // namespace horoball
