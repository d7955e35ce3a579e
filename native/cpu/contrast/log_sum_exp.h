// Log-sum-exp of the logits for every row and view, accumulated tile by tile. The matrix is symmetric, so a tile
// serves both its rows and its columns.
#pragma once

#include "cpu/contrast/plan.h"
#include "cpu/frame/elementary.h"
#include "ops/contrast.h"

namespace horoball {
namespace {

// For every view and sample, including padding: the largest logit of the negatives, the sum of exp(logit - largest), the
// lowest class that attains the largest, and the logit of the positive. Contrast::finish_block replaces `top` with L_ab (with R
// for the sample's own view, see contrast.h), and `positive` with the probability of the positive minus 1. pair_loss.h has no
// views: it stores one entry per sample for the negatives, another for the positives, and uses neither `first` nor `positive`.
template <class T>
struct LogSums {
  T *top, *total, *first, *positive;
};

// The arrays top, total and first of LogSums, for the rows or the columns of one tile.
template <class T>
struct TileSums {
  T top[kBlock<T>], total[kBlock<T>], first[kBlock<T>];
};

struct TileStats {
  double least, sum;
};

// Masks padding and, if `diagonal`, the diagonal: pairs of a sample with itself, or positive pairs.
template <class T>
inline void mask_logits(T* logits, std::int64_t rows, std::int64_t columns, bool diagonal) {
  const std::int64_t padded = round_up(columns, Vec<T>::kLanes);
  for (std::int64_t i = 0; i < rows; ++i) {
    T* row = logits + i * kBlock<T>;
    for (std::int64_t j = columns; j < padded; ++j) row[j] = static_cast<T>(kNone);
    if (diagonal) row[i] = static_cast<T>(kNone);
  }
}

template <class T>
inline TileStats stats_of(const T* logits, std::int64_t rows, std::int64_t columns) {
  using V = Vec<T>;
  V least_seen(static_cast<T>(HUGE_VAL));
  double total = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    V row_sum(T(0));
    for (std::int64_t j = 0; j < columns; j += V::kLanes) {
      const V s = V::load(logits + i * kBlock<T> + j);
      const auto real = V::ramp() < V(static_cast<T>(columns - j));
      least_seen = min(least_seen, where(real, s, least_seen));
      row_sum = row_sum + where(real, s, V(T(0)));
    }
    total += static_cast<double>(sum(row_sum));
  }
  return {static_cast<double>(least(least_seen)), total};
}

template <class T>
inline void find_largest(const T* logits, std::int64_t rows, std::int64_t columns, TileSums<T>& down,
                         TileSums<T>& across) {
  using V = Vec<T>;
  for (std::int64_t j = 0; j < columns; j += V::kLanes) V(static_cast<T>(kNone)).store(across.top + j);
  for (std::int64_t i = 0; i < rows; ++i) {
    V top(static_cast<T>(kNone));
    for (std::int64_t j = 0; j < columns; j += V::kLanes) {
      const V s = V::load(logits + i * kBlock<T> + j);
      top = max(top, s);
      max(V::load(across.top + j), s).store(across.top + j);
    }
    down.top[i] = most(top);
  }
}

// If the values v that are subtracted from the logits of the rows and columns of a tile differ by at most this, one
// exponential per pair replaces two. For a logit S in row i and column j, let x = exp(S - (v_i + v_j)/2). Then exp(S - v_i)
// = x * rise[j] * fall[i] and exp(S - v_j) = x * rise[i] * fall[j]. With this limit, x underflows to 0 only if both
// exponentials are below 1e-11 (far lower in float64), which is negligible in sums whose largest term is 1.
constexpr double kMaxSpread = 120;

// rise = exp((v - base)/2) and fall = 1/rise, for the rows or the columns of a tile.
template <class T>
struct Halves {
  T rise[kBlock<T>], fall[kBlock<T>];

  void set(const T* v, std::int64_t count, T base) {
    using V = Vec<T>;
    for (std::int64_t i = 0; i < count; i += V::kLanes) {
      const V half = V(T(0.5)) * (V::load(v + i) - V(base));
      exp(half).store(rise + i);
      exp(-half).store(fall + i);
    }
  }
};

template <class T>
struct TileHalves {
  bool shared;
  Halves<T> rows, columns;

  void set(const T* of_rows, std::int64_t row_count, const T* of_columns, std::int64_t column_count) {
    T least = of_rows[0], most = of_rows[0];
    const auto widen = [&](const T* values, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        if (values[i] < least) least = values[i];
        if (values[i] > most) most = values[i];
      }
    };
    widen(of_rows, row_count);
    widen(of_columns, column_count);
    shared = most - least <= static_cast<T>(kMaxSpread);
    if (!shared) return;
    rows.set(of_rows, row_count, least);
    columns.set(of_columns, column_count, least);
  }
};

// Returns s - (v_i + v_j)/2, the argument of the exponential x (see kMaxSpread).
template <class V, class T>
HOROBALL_INLINE V shared_exponent(V s, T of_row, V of_column) {
  return fma(V(T(-0.5)), of_column, s - V(T(0.5) * of_row));
}

// Converts sums of shared exponentials to sums of exp(S - top). The largest term of such a sum is 1, so a sum below 1 has
// underflowed and is set to 1.
template <class T>
inline void restore(TileSums<T>& sums, const Halves<T>& halves, std::int64_t count) {
  using V = Vec<T>;
  for (std::int64_t i = 0; i < count; i += V::kLanes) {
    const V total = V::load(sums.total + i) * V::load(halves.fall + i);
    max(V(T(1)), total).store(sums.total + i);  // keeps NaN
  }
}

// Computes `total` and `first` of the rows and the columns from their largest logits. `row_class` and `column_class` are
// the classes of the first row and column. With kShared, each total must still be multiplied by the `fall` of its row or
// column.
template <bool kShared, class T>
inline void add_tile_by(const TileHalves<T>& halves, const T* logits, std::int64_t rows, std::int64_t columns,
                        std::int64_t row_class, std::int64_t column_class, TileSums<T>& down,
                        TileSums<T>& across) {
  using V = Vec<T>;
  const V beyond(Bits<T>::kHuge);
  for (std::int64_t j = 0; j < columns; j += V::kLanes) {
    V(T(0)).store(across.total + j);
    beyond.store(across.first + j);
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const V top(down.top[i]), own(static_cast<T>(row_class + i));
    V total(T(0)), first = beyond;
    for (std::int64_t j = 0; j < columns; j += V::kLanes) {
      const V s = V::load(logits + i * kBlock<T> + j), column_top = V::load(across.top + j);
      const V column_total = V::load(across.total + j);
      if constexpr (kShared) {
        const V x = exp(shared_exponent(s, down.top[i], column_top));
        total = fma(x, V::load(halves.columns.rise + j), total);
        fma(x, V(halves.rows.rise[i]), column_total).store(across.total + j);
      } else {
        total = total + exp(s - top);
        (column_total + exp(s - column_top)).store(across.total + j);
      }
      const V column = V::ramp() + V(static_cast<T>(column_class + j));
      first = min(first, where(s == top, column, beyond));
      const V before = V::load(across.first + j);
      min(before, where(s == column_top, own, beyond)).store(across.first + j);
    }
    down.total[i] = sum(total);
    down.first[i] = least(first);
  }
}

template <class T>
inline void add_tile(const T* logits, std::int64_t rows, std::int64_t columns, std::int64_t row_class,
                     std::int64_t column_class, TileSums<T>& down, TileSums<T>& across,
                     TileHalves<T>& halves) {
  halves.set(down.top, rows, across.top, columns);
  if (!halves.shared)
    return add_tile_by<false>(halves, logits, rows, columns, row_class, column_class, down, across);
  add_tile_by<true>(halves, logits, rows, columns, row_class, column_class, down, across);
  restore(down, halves.rows, rows);
  restore(across, halves.columns, columns);
}

// Computes `total` and `first` of the rows only, from their largest logits.
template <class T>
inline void add_rows(const T* logits, std::int64_t rows, std::int64_t columns, std::int64_t column_class,
                     TileSums<T>& down) {
  using V = Vec<T>;
  const V beyond(Bits<T>::kHuge);
  for (std::int64_t i = 0; i < rows; ++i) {
    const V top(down.top[i]);
    V total(T(0)), first = beyond;
    for (std::int64_t j = 0; j < columns; j += V::kLanes) {
      const V s = V::load(logits + i * kBlock<T> + j);
      total = total + exp(s - top);
      first = min(first, where(s == top, V::ramp() + V(static_cast<T>(column_class + j)), beyond));
    }
    down.total[i] = sum(total);
    down.first[i] = least(first);
  }
}

// Merges the sums of a tile into `state`, from index `place` on.
template <class T>
inline void merge(const TileSums<T>& tile, std::int64_t count, const LogSums<T>& state, std::int64_t place) {
  using V = Vec<T>;
  for (std::int64_t i = 0; i < count; i += V::kLanes) {
    const std::int64_t at = place + i;
    LogSum<V> sum{V::load(state.top + at), V::load(state.total + at), V::load(state.first + at)};
    sum.merge({V::load(tile.top + i), V::load(tile.total + i), V::load(tile.first + i)});
    sum.top.store(state.top + at);
    sum.total.store(state.total + at);
    sum.first.store(state.first + at);
  }
}

}  // namespace
}  // namespace horoball
