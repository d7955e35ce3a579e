// rows += W R: a tile of weights times the rows of a block, added to rows of the gradient.
#pragma once

#include "cpu/frame/memory.h"
#include "cpu/frame/tiles.h"

namespace horoball {
namespace {

// The number of rows and of columns in a block of pairs: a multiple of the tile size at every level. Also the pitch of a
// tile of weights.
template <class T>
constexpr std::int64_t kBlock = sizeof(T) == 4 ? 144 : 96;

// The rows of a block as the right factor of a product: `pitch` is the depth rounded up to whole
// vectors, and the padding is 0.
template <class T>
struct RightSide {
  const T* rows;
  std::int64_t pitch;
};

// Copies rows, each multiplied by its entry of `scale`, and pads them with zeros to `pitch`. A null `scale` means factors
// of 1.
template <class T, class Source>
inline void copy_rows(const Source& source, std::int64_t first, std::int64_t count, const double* scale,
                      std::int64_t depth, T* to, std::int64_t pitch) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T* row = source.row(first + i);
    T* out = to + i * pitch;
    const std::int64_t real = row == nullptr ? 0 : depth;
    if (scale == nullptr || scale[i] == 1) {
      for (std::int64_t k = 0; k < real; ++k) out[k] = row[k];
    } else {
      for (std::int64_t k = 0; k < real; ++k) out[k] = static_cast<T>(scale[i] * static_cast<double>(row[k]));
    }
    for (std::int64_t k = real; k < pitch; ++k) out[k] = 0;
  }
}

template <int kVectors, Left kLeft, class T>
inline void accumulate_tile(const T* weights, std::int64_t inner, RightSide<T> right, std::int64_t column,
                            T* const* rows, int row_count, int column_count) {
  using V = Vec<T>;
  const Sums<T, kVectors> sums =
      product<kVectors, kLeft>(weights, kBlock<T>, right.rows + column, right.pitch, inner);
  unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
    if (r >= row_count) return;
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA {
      T* at = rows[r] + column + v * V::kLanes;
      const int left = column_count - v * V::kLanes;
      if (left >= V::kLanes) {
        (V::load(at) + sums.row[r][v]).store(at);
      } else if (left > 0) {
        (V::load(at, left) + sums.row[r][v]).store(at, left);
      }
    });
  });
}

// Returns the number of vectors of columns to process next if `left` remain. The last kTileVectors + 1 are divided as evenly
// as possible, because a single last vector would leave half of the execution units idle.
constexpr std::int64_t next_vectors(std::int64_t left) {
  return left == kTileVectors + 1 ? left - left / 2 : min(left, kTileVectors);
}

// rows[i] += sum over k < inner of W(i, k) right[k], for i < count. With by_row, W(i, k) = weights[i * kBlock
// + k]; with by_k it is weights[k * kBlock + i].
template <Left kLeft, class T>
inline void accumulate(const T* weights, std::int64_t inner, RightSide<T> right, T* const* rows,
                       std::int64_t count, std::int64_t depth) {
  constexpr std::int64_t kLanes = Vec<T>::kLanes;
  for (std::int64_t column = 0; column < depth;) {
    const std::int64_t vectors = next_vectors(ceil_div(depth - column, kLanes));
    const int columns = static_cast<int>(min(depth - column, vectors * kLanes));
    for (std::int64_t i = 0; i < count; i += kTileRows) {
      const T* at = weights + (kLeft == Left::by_row ? i * kBlock<T> : i);
      const int row_count = static_cast<int>(min(count - i, kTileRows));
      with_vectors(static_cast<int>(vectors), [&]<int kVectors>() {
        accumulate_tile<kVectors, kLeft>(at, inner, right, column, rows + i, row_count, columns);
      });
    }
    column += vectors * kLanes;
  }
}

}  // namespace
}  // namespace horoball
