// Rows made ready for a matrix of distances: packed for the product, and beside that what a metric wants to
// know of each row.
#pragma once

#include "cpu/layout.h"
#include "cpu/pack.h"
#include "ops/metric_card.h"
#include "ops/near.h"
#include "ops/square.h"

namespace horoball {
namespace {

// The rows of one side of a pairing; those beyond the last are padding, and null.
template <class T>
struct Rowset {
  const T* data = nullptr;
  std::int64_t rows = 0, depth = 0;

  const T* row(std::int64_t i) const { return i < rows ? data + i * depth : nullptr; }
};

template <class T>
struct Prepared {
  T* panels;      // [panel][coordinate][kTileCols]
  T* n;           // squared norms (kOutside where the row is outside)
  T* q;           // the card's quantity; of minkowski rows the time
  T* size;        // Euclidean squared norms: what the rounding of an inner product is relative to
  double* scale;  // by which the row was multiplied
  std::int64_t depth;

  const T* panel(std::int64_t i) const { return panels + i * depth * kTileCols<T>; }
};

template <class T>
inline Prepared<T> cut_prepared(Cutter& cutter, std::int64_t rows, std::int64_t depth) {
  const std::int64_t padded = round_up(rows, kTileCols<T>);
  Prepared<T> p{};
  p.panels = cutter.take<T>(padded * depth);
  p.n = cutter.take<T>(padded);
  p.q = cutter.take<T>(padded);
  p.size = cutter.take<T>(padded);
  p.scale = cutter.take<double>(padded);
  p.depth = depth;
  return p;
}

// One row's numbers, in float64.
template <class Card, class T>
inline void prepare_row(const Card& card, const T* row, std::int64_t i, const Prepared<T>& out) {
  constexpr bool kMinkowski = Card::kRows == Rows::minkowski;
  const Square n = square(row, out.depth, kMinkowski);
  const double a = one_minus(card.c, n);
  out.scale[i] = 1;
  out.n[i] = static_cast<T>(n.high + n.low);
  out.q[i] = static_cast<T>(card.q(a));
  out.size[i] = out.n[i];
  if constexpr (kMinkowski) {
    const double time = static_cast<double>(row[0]);
    out.q[i] = row[0];
    out.size[i] = static_cast<T>(n.high + 2 * time * time);
  } else if constexpr (Card::kRows == Rows::unit) {
    out.scale[i] = n.high > 0 ? 1 / __builtin_sqrt(n.high + n.low) : 0;
    out.n[i] = out.size[i] = 1;
  } else if constexpr (Card::kBounded) {
    if (!(a > 0)) {
      out.n[i] = static_cast<T>(kOutside);
      out.q[i] = 1;
    }
  }
}

// The numbers of kTileCols rows from row `first` on.
template <class Card, class T, class Source>
inline void prepare_rows(const Card& card, const Source& source, std::int64_t first, const Prepared<T>& out) {
  for (std::int64_t i = first; i < first + kTileCols<T>; ++i) {
    const T* row = source.row(i);
    if (row != nullptr) {
      prepare_row(card, row, i, out);
    } else {
      out.n[i] = out.q[i] = out.size[i] = 1;
      out.scale[i] = 0;
    }
  }
}

template <class Card, class T, class Source>
inline void prepare_panel(const Card& card, const Source& source, std::int64_t panel,
                          const Prepared<T>& out) {
  const std::int64_t first = panel * kTileCols<T>;
  prepare_rows(card, source, first, out);
  pack_panel(source, first, out.scale + first, out.depth, out.panels + first * out.depth);
}

}  // namespace
}  // namespace horoball
