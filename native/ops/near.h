// Used by all families of pairs before a metric is applied: the values of a row that a metric reads, which rows are outside
// its domain, which pairs are too near for the matrix product, and the squared difference of a pair.
#pragma once

#include "ops/metric_card.h"
#include "ops/square.h"

namespace horoball {
namespace {

// The squared norm that marks a row outside the domain of the metric: every pair with such a row counts as near and is
// computed directly.
template <class T>
constexpr T kOutside = static_cast<T>(sizeof(T) == 4 ? -1e30 : -1e300);

// Replaces an infinite distance as a factor in a sum: if its weight is 0, the term must be 0, not NaN.
template <class T>
constexpr T kFiniteDistance = static_cast<T>(sizeof(T) == 4 ? 1e30 : 1e300);

// If s is below this fraction of |x|^2 + |y|^2, it is computed directly from the rows: in float32, |x|^2 + |y|^2 - 2<x,y>
// could lose all of its digits.
constexpr double kNear = 0.01;

// If s is below this fraction, computing it from float32 inner products of long rows loses too many digits for an accurate
// distance.
constexpr double kFair = 0.1;

// The same two fractions for minkowski rows. Their inner product is computed with the wrong sign of the time coordinates, and
// squared_from_product() corrects it with 4 times the product of these, so their rounding errors count more than once.
constexpr double kNearMinkowski = 4 * kNear;
constexpr double kFairMinkowski = 1.5 * kFair;

// The thresholds kNear and kFair for the rows of a card.
template <class Card>
constexpr double kNearPart = Card::kRows == Rows::minkowski ? kNearMinkowski : kNear;
template <class Card>
constexpr double kFairPart = Card::kRows == Rows::minkowski ? kFairMinkowski : kFair;

// The values of one row that a metric reads.
template <class T>
struct RowValues {
  T n;           // squared norm (kOutside if the row is outside)
  T q;           // the card's quantity; for minkowski rows the time
  T size;        // Euclidean squared norm, to which the rounding of an inner product is relative
  double scale;  // the factor by which the row is multiplied
};

// Returns the values of a padding row.
template <class T>
HD RowValues<T> padding_values() {
  return {1, 1, 1, 0};
}

// Returns the values of a row. `square` is its squared norm (in the Minkowski product for minkowski rows).
template <class Card, class T>
HD RowValues<T> row_values(const Card& card, const T* row, Index depth, const Square& square) {
  const double a = one_minus(card.c, square);
  RowValues<T> out{static_cast<T>(square.high + square.low), static_cast<T>(card.q(a)), 0, 1};
  out.size = out.n;
  if constexpr (Card::kRows == Rows::minkowski) {
    const double time = static_cast<double>(row[0]);
    out.q = row[0];
    out.size = static_cast<T>(square.high + 2 * time * time);
  } else if constexpr (Card::kRows == Rows::unit) {
    out.scale = inverse_norm(row, depth, square);
    out.n = out.size = 1;
  } else if constexpr (Card::kBounded) {
    if (!(a > 0)) {
      out.n = kOutside<T>;
      out.q = 1;
    }
  }
  return out;
}

// Returns the squared difference of two rows, given their inner product g.
template <class Card, class V>
HD V squared_from_product(V g, V x_n, V y_n, V x_q, V y_q) {
  const V s = fma(constant<V>(-2), g, x_n + y_n);
  if constexpr (Card::kRows == Rows::minkowski) {
    return fma(constant<V>(4) * x_q, y_q, s);  // the product of the time coordinates counts negatively
  } else {
    return s;
  }
}

// A row, null if it is padding, and the two of its RowValues that direct_difference() reads.
template <class T>
struct RowAt {
  const T* row;
  T n;
  double scale;
};

// Returns the squared difference, computed directly from the rows; +infinity between a row outside the domain and any
// other point. The caller must handle a row that is compared with itself: the difference is then 0.
template <class Card, class T>
HD T direct_difference(RowAt<T> x, RowAt<T> y, Index depth) {
  if (x.row == nullptr || y.row == nullptr) return 1;
  if constexpr (Card::kRows == Rows::unit) {
    if (x.scale == 0 || y.scale == 0) return 2;
  }
  const double s = squared_difference(x.row, x.scale, y.row, y.scale, depth, Card::kRows == Rows::minkowski);
  if (s > 0 && (x.n == kOutside<T> || y.n == kOutside<T>)) return static_cast<T>(HUGE_VAL);
  return static_cast<T>(s);
}

}  // namespace
}  // namespace horoball
