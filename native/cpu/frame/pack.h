// Rows packed for the matrix product: panels of kTileCols rows with the coordinate outermost, a layout that serves
// both factors. Square blocks of vector width are transposed in registers; packing element by element took a fifth of
// the time of a small distance matrix.
#pragma once

#include <cstdint>
#include <utility>

#include "cpu/frame/tiles.h"

namespace horoball {
namespace {

// Returns alternating lanes of two vectors, from lane kFrom on: a0 b0 a1 b1 ...
template <int kFrom, class T, int... i>
HOROBALL_INLINE Vec<T> interleaved(Vec<T> a, Vec<T> b, std::integer_sequence<int, i...>) {
  return typename Vec<T>::Raw(
      __builtin_shufflevector(a.raw, b.raw, (kFrom + i / 2 + i % 2 * Vec<T>::kLanes)...));
}

// Moves lane j of row i to lane i of row j. Each stage rotates the bits of a position (row, then lane) by one, so
// log2(kLanes) stages exchange rows and lanes.
template <class T>
HOROBALL_INLINE void transpose(Vec<T> (&rows)[Vec<T>::kLanes]) {
  constexpr int kLanes = Vec<T>::kLanes, kHalf = kLanes / 2;
  constexpr auto kAll = std::make_integer_sequence<int, kLanes>{};
  constexpr int kStages = __builtin_ctz(kLanes);
  unrolled<kStages>([&](auto) HOROBALL_LAMBDA {
    Vec<T> next[kLanes];
    unrolled<kHalf>([&](auto i) HOROBALL_LAMBDA {
      next[2 * i] = interleaved<0>(rows[i], rows[i + kHalf], kAll);
      next[2 * i + 1] = interleaved<kHalf>(rows[i], rows[i + kHalf], kAll);
    });
    unrolled<kLanes>([&](auto i) HOROBALL_LAMBDA { rows[i] = next[i]; });
  });
}

// Returns coordinate k of a row times `scale`, rounded once; 0 for a missing row.
template <class T>
HOROBALL_INLINE T coordinate(const T* row, std::int64_t k, double scale) {
  return row == nullptr ? T(0) : static_cast<T>(static_cast<double>(row[k]) * scale);
}

// Returns a vector of coordinates of a row, from coordinate k on, like coordinate().
template <class T>
HOROBALL_INLINE Vec<T> coordinates(const T* row, std::int64_t k, double scale) {
  if (row == nullptr) return Vec<T>(T(0));
  if (scale == 1) return Vec<T>::load(row + k);
  T scaled[Vec<T>::kLanes];
  for (int l = 0; l < Vec<T>::kLanes; ++l) scaled[l] = coordinate(row, k + l, scale);
  return Vec<T>::load(scaled);
}

// Packs kTileCols rows, from row `first` on, into a panel. A null `scale` means factors of 1.
template <class T, class Source>
[[gnu::noinline]] void pack_panel(const Source& source, std::int64_t first, const double* scale,
                                  std::int64_t depth, T* to) {
  constexpr int kLanes = Vec<T>::kLanes, kCols = kTileCols<T>;
  const std::int64_t whole = depth / kLanes * kLanes;
  for (int r = 0; r < kCols; r += kLanes) {
    const T* row[kLanes];
    double by[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      row[i] = source.row(first + r + i);
      by[i] = scale == nullptr ? 1 : scale[r + i];
    }
    for (std::int64_t k = 0; k < whole; k += kLanes) {
      Vec<T> square[kLanes];
      unrolled<kLanes>([&](auto i) HOROBALL_LAMBDA { square[i] = coordinates(row[i], k, by[i]); });
      transpose(square);
      unrolled<kLanes>([&](auto i) HOROBALL_LAMBDA { square[i].store(to + (k + i) * kCols + r); });
    }
    for (std::int64_t k = whole; k < depth; ++k) {
      for (int i = 0; i < kLanes; ++i) to[k * kCols + r + i] = coordinate(row[i], k, by[i]);
    }
  }
}

}  // namespace
}  // namespace horoball
