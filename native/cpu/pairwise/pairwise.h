// Computes every distance between two sets of rows: blocks of the matrix product, with the metric applied to each tile
// while it is in the cache. For a set with itself only the upper triangle is computed.
#pragma once

#include "cpu/frame/accumulate.h"
#include "cpu/frame/call.h"
#include "cpu/frame/elementary.h"
#include "cpu/frame/threads.h"
#include "cpu/pairwise/differences.h"

namespace horoball {
namespace {

template <class Card, class T>
class Pairwise {
 public:
  Pairwise(const PairwiseArgs& args, const Run& run)
      : run_(run),
        card_{args.c},
        x_rows_{static_cast<const T*>(args.x.data), args.x.rows, args.x.cols},
        y_rows_{static_cast<const T*>(args.y.data), args.y.rows, args.y.cols},
        out_(static_cast<T*>(args.out.data)),
        same_(args.x.data == args.y.data && args.x.rows == args.y.rows) {}

  Status compute() {
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); }, [&] { work(); });
  }

 private:
  using V = Vec<T>;
  static constexpr int kCols = kTileCols<T>;

  void allocate(Arena& arena) {
    x_ = allocate_prepared<T>(arena, x_rows_.rows, x_rows_.depth);
    y_ = same_ ? x_ : allocate_prepared<T>(arena, y_rows_.rows, y_rows_.depth);
  }

  void work() {
    const double pairs = static_cast<double>(x_rows_.rows) * static_cast<double>(y_rows_.rows);
    const int threads = threads_for(run_, pairs * static_cast<double>(x_rows_.depth + 32));
    prepare(threads);
    const std::int64_t across = ceil_div(y_rows_.rows, kBlock<T>), down = ceil_div(x_rows_.rows, kBlock<T>);
    for_each(threads, down * across, [&](std::int64_t task, int) {
      const std::int64_t i = task / across, j = task % across;
      if (!(same_ && j < i) && !is_cancelled(run_)) block(i * kBlock<T>, j * kBlock<T>);
    });
  }

  void prepare(int threads) {
    const std::int64_t left = ceil_div(x_rows_.rows, kCols),
                       right = same_ ? 0 : ceil_div(y_rows_.rows, kCols);
    for_each(threads, left + right, [&](std::int64_t panel, int) {
      if (panel < left) {
        prepare_panel(card_, x_rows_, panel, x_);
      } else {
        prepare_panel(card_, y_rows_, panel - left, y_);
      }
    });
  }

  void block(std::int64_t first_row, std::int64_t first_column) const {
    const std::int64_t rows = min(first_row + kBlock<T>, x_rows_.rows);
    const std::int64_t columns = min(first_column + kBlock<T>, y_rows_.rows);
    for (std::int64_t j = first_column; j < columns; j += kCols) {
      for (std::int64_t i = first_row; i < rows; i += kTileRows) {
        if (same_ && j + kCols <= i) continue;
        with_vectors(static_cast<int>(ceil_div(columns - j, V::kLanes)),
                     [&]<int kVectors>() { tile<kVectors>(i, j); });
      }
    }
  }

  template <int kVectors>
  void tile(std::int64_t i, std::int64_t j) const {
    alignas(kAlignment) T s[kTileRows * kCols];
    const Sides<Card, T, Rowset<T>> sides{card_, x_rows_, y_rows_, x_, y_, same_};
    squared_differences<kVectors, true>(sides, i, j, s, kCols);
    const int rows = static_cast<int>(min(x_rows_.rows - i, kTileRows));
    const int columns = static_cast<int>(min(y_rows_.rows - j, kVectors * V::kLanes));
    const bool whole = rows == kTileRows && columns == kVectors * V::kLanes && !same_;
    if (whole) return measure<kVectors>(s, i, j, rows, out_ + i * y_rows_.rows + j, y_rows_.rows);
    measure<kVectors>(s, i, j, rows, s, kCols);
    write(s, i, j, rows, columns);
  }

  static constexpr bool kLogarithmic = requires(const Card& card, V v) { card.expm1_distance(v, v, v); };

  // Converts squared differences to distances in rows `pitch` apart. For logarithmic distances this takes two passes,
  // because a processor overlaps few of the long chains from the square root to the end of the logarithm.
  template <int kVectors>
  void measure(T* s, std::int64_t i, std::int64_t j, int rows, T* to, std::int64_t pitch) const {
    if constexpr (kLogarithmic) {
      each_pair<kVectors>(s, i, j, rows, s, kCols,
                          [&](auto z, auto qx, auto qy) { return card_.expm1_distance(z, qx, qy); });
      const VecPair<T> scale(static_cast<T>(1 / std::sqrt(card_.c)));
      each_pair<kVectors>(s, i, j, rows, to, pitch, [&](auto z, auto, auto) { return scale * log1p(z); });
    } else {
      each_pair<kVectors>(s, i, j, rows, to, pitch,
                          [&](auto z, auto qx, auto qy) { return card_.distance(z, qx, qy); });
    }
  }

  // Writes formula(s, q of x, q of y) of each pair of a tile to rows `pitch` apart, two rows at a time.
  template <int kVectors, class Formula>
  HOROBALL_INLINE void each_pair(const T* s, std::int64_t i, std::int64_t j, int rows, T* to,
                                 std::int64_t pitch, Formula formula) const {
    for (int r = 0; r < rows; r += 2) {
      const VecPair<T> qx(V(x_.q[i + r]), V(x_.q[i + r + 1]));
      for (int v = 0; v < kVectors; ++v) {
        const T* from = s + r * kCols + v * V::kLanes;
        const V qy = V::load(y_.q + j + v * V::kLanes);
        const VecPair<T> d =
            formula(VecPair<T>(V::load(from), V::load(from + kCols)), qx, VecPair<T>(qy, qy));
        d.a.store(to + r * pitch + v * V::kLanes);
        d.b.store(to + (r + 1) * pitch + v * V::kLanes);
      }
    }
  }

  void write(const T* s, std::int64_t i, std::int64_t j, int rows, int columns) const {
    const std::int64_t pitch = y_rows_.rows;
    for (int r = 0; r < rows; ++r) {
      T* to = out_ + (i + r) * pitch + j;
      for (int l = 0; l < columns; ++l) to[l] = s[r * kCols + l];
    }
    if (!same_) return;
    for (int l = 0; l < columns; ++l) {
      T* to = out_ + (j + l) * pitch + i;
      for (int r = 0; r < rows; ++r) to[r] = s[r * kCols + l];
    }
  }

  const Run& run_;
  Card card_;
  Rowset<T> x_rows_, y_rows_;
  T* out_;
  bool same_;
  Prepared<T> x_{}, y_{};
};

Status pairwise(const PairwiseArgs& args, const Run& run) {
  huge_pages_for(args.out, args.type);
  return with_card(args, [&]<class Card, class T>() { return Pairwise<Card, T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
