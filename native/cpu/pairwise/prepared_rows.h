// Rows prepared for a matrix of distances: packed for the product, with the per-row values that a metric
// needs.
#pragma once

#include "cpu/frame/memory.h"
#include "cpu/frame/pack.h"
#include "ops/metric_card.h"
#include "ops/near.h"
#include "ops/square.h"

namespace horoball {
namespace {

// The rows of one side of a pairing; rows beyond the last are padding, and null.
template <class T>
struct Rowset {
  const T* data = nullptr;
  std::int64_t rows = 0, depth = 0;

  const T* row(std::int64_t i) const { return i < rows ? data + i * depth : nullptr; }
};

template <class T>
struct Prepared {
  T* panels;      // [panel][coordinate][kTileCols]
  T* n;           // squared norms (kOutside if the row is outside)
  T* q;           // the card's quantity; for minkowski rows the time
  T* size;        // Euclidean squared norms, to which the rounding of an inner product is relative
  double* scale;  // the factor by which the row was multiplied
  std::int64_t depth;

  const T* panel(std::int64_t i) const { return panels + i * depth * kTileCols<T>; }
};

template <class T>
inline Prepared<T> allocate_prepared(Arena& arena, std::int64_t rows, std::int64_t depth) {
  const std::int64_t padded = round_up(rows, kTileCols<T>);
  Prepared<T> p{};
  p.panels = arena.allocate<T>(padded * depth);
  p.n = arena.allocate<T>(padded);
  p.q = arena.allocate<T>(padded);
  p.size = arena.allocate<T>(padded);
  p.scale = arena.allocate<double>(padded);
  p.depth = depth;
  return p;
}

// The per-row values of one row, in float64.
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
    out.scale[i] = inverse_norm(row, out.depth, n);
    out.n[i] = out.size[i] = 1;
  } else if constexpr (Card::kBounded) {
    if (!(a > 0)) {
      out.n[i] = static_cast<T>(kOutside);
      out.q[i] = 1;
    }
  }
}

// The per-row values of kTileCols rows from row `first` on.
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
