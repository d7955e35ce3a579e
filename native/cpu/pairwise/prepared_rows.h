// Rows prepared for a matrix of distances: packed for the product, with the per-row values that a metric
// needs.
#pragma once

#include "cpu/frame/memory.h"
#include "cpu/frame/pack.h"
#include "ops/near.h"

namespace horoball {
namespace {

// The rows of one side of a pairing. Rows beyond the last one are padding, for which row() is null.
template <class T>
struct Rowset {
  const T* data = nullptr;
  std::int64_t rows = 0, depth = 0;

  const T* row(std::int64_t i) const { return i < rows ? data + i * depth : nullptr; }
};

// The fields are described at RowValues (ops/near.h).
template <class T>
struct Prepared {
  T* panels;  // [panel][coordinate][kTileCols]
  T *n, *q, *size;
  double* scale;
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

// Computes the per-row values of kTileCols rows from row `first` on.
template <class Card, class T, class Source>
inline void prepare_rows(const Card& card, const Source& source, std::int64_t first, const Prepared<T>& out) {
  for (std::int64_t i = first; i < first + kTileCols<T>; ++i) {
    const T* row = source.row(i);
    const RowValues<T> values =
        row == nullptr
            ? padding_values<T>()
            : row_values(card, row, out.depth, square(row, out.depth, Card::kRows == Rows::minkowski));
    out.n[i] = values.n;
    out.q[i] = values.q;
    out.size[i] = values.size;
    out.scale[i] = values.scale;
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
