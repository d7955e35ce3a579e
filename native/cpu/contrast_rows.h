// Log-sum-exp of the logits, row by row and view by view, gathered tile by tile. A tile serves its rows and,
// the matrix being symmetric, its columns.
#pragma once

#include "cpu/contrast_plan.h"
#include "cpu/elementary.h"

namespace horoball {
namespace {

// The logit of a pair that does not exist: a sample with itself, and padding.
constexpr double kNone = -1e30;

// For every sample and every view: the largest logit against that view, the sum of exp(logit - largest), the
// class (the lowest) at which the largest stands, and the logit of the positive. Each [view][padded sample].
template <class T>
struct LogSums {
  T *top, *total, *first, *positive;
};

// The same of one tile, for its rows or for its columns.
template <class T>
struct TileSums {
  T top[kBlock<T>], total[kBlock<T>], first[kBlock<T>];
};

// Smallest and sum of a tile's logits.
struct TileStats {
  double least, sum;
};

// Fills what does not exist.
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
inline void find_tops(const T* logits, std::int64_t rows, std::int64_t columns, TileSums<T>& down,
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

// Sums and places, the tops being known. `row_class` and `column_class` are the classes at (0, 0).
template <class T>
inline void add_up(const T* logits, std::int64_t rows, std::int64_t columns, std::int64_t row_class,
                   std::int64_t column_class, TileSums<T>& down, TileSums<T>& across) {
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
      total = total + exp(s - top);
      (V::load(across.total + j) + exp(s - column_top)).store(across.total + j);
      const V column = V::ramp() + V(static_cast<T>(column_class + j));
      first = min(first, where(s == top, column, beyond));
      const V before = V::load(across.first + j);
      min(before, where(s == column_top, own, beyond)).store(across.first + j);
    }
    down.total[i] = sum(total);
    down.first[i] = least(first);
  }
}

// Joins a tile's rows to what is known of the same samples.
template <class T>
inline void merge(const TileSums<T>& tile, std::int64_t count, const LogSums<T>& state, std::int64_t place) {
  using V = Vec<T>;
  for (std::int64_t i = 0; i < count; i += V::kLanes) {
    T *top_at = state.top + place + i, *total_at = state.total + place + i,
      *first_at = state.first + place + i;
    const V old = V::load(top_at), fresh = V::load(tile.top + i), top = max(old, fresh);
    const V total = fma(V::load(total_at), exp(old - top), V::load(tile.total + i) * exp(fresh - top));
    const V was = V::load(first_at), is = V::load(tile.first + i);
    const V first = where(fresh > old, is, where(fresh == old, min(was, is), was));
    top.store(top_at);
    total.store(total_at);
    first.store(first_at);
  }
}

}  // namespace
}  // namespace horoball
