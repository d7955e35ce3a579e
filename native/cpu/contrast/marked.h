// Processes tiles with positive pairs: computes the sums of every anchor and the weights of all pairs. A second tile
// marks the positive pairs with 1. Only the functions of `LossTerms` are compiled for each loss (ops/losses/card.h).
#pragma once

#include "cpu/contrast/terms.h"
#include "ops/losses.h"

namespace horoball {
namespace {

// Two sums over positives for each row, or each column, of a tile.
template <class T>
struct PositiveSums {
  T first[kBlock<T>], second[kBlock<T>];
};

template <class T>
inline void clear(PositiveSums<T>& sums) {
  for (std::int64_t i = 0; i < kBlock<T>; ++i) sums.first[i] = sums.second[i] = 0;
}

// Counts the positives and adds up their logits. Then removes them from `logits`, and overwrites each mark with `rate`
// times the logit of its pair, or with kNone if the pair is not positive.
template <class T>
inline void split_positives(T* logits, T* marks, std::int64_t rows, std::int64_t columns, T rate,
                            PositiveSums<T>& down, PositiveSums<T>& across) {
  using V = Vec<T>;
  const V none(static_cast<T>(kNone)), zero(T(0));
  clear(across);
  for (std::int64_t i = 0; i < rows; ++i) {
    V count = zero, total = zero;
    for (std::int64_t j = 0; j < columns; j += V::kLanes) {
      const std::int64_t at = i * kBlock<T> + j;
      const V mark = V::load(marks + at), u = V::load(logits + at);
      const auto positive = mark > zero;
      (where(positive, V(rate) * u, none)).store(marks + at);
      if (!any(positive)) continue;
      where(positive, none, u).store(logits + at);
      const V value = where(positive, u, zero);
      count = count + mark;
      total = total + value;
      (V::load(across.first + j) + mark).store(across.first + j);
      (V::load(across.second + j) + value).store(across.second + j);
    }
    down.first[i] = sum(count);
    down.second[i] = sum(total);
  }
}

// The numbers that positive_weight() reads (`Anchor` in ops/losses/card.h), for all anchors of a block.
template <class T>
struct Anchors {
  const T *center, *factor, *offset;

  Anchor<Vec<T>> row(std::int64_t i) const {
    return {Vec<T>(center[i]), Vec<T>(factor[i]), Vec<T>(offset[i])};
  }
  Anchor<Vec<T>> columns(std::int64_t j) const {
    return {Vec<T>::load(center + j), Vec<T>::load(factor + j), Vec<T>::load(offset + j)};
  }
};

template <class T>
struct MarkedTile {
  const PairTile<T>& tile;
  const T* marks;
  T* logits;
  bool both;  // the columns are anchors too, and are not the same block as the rows
};

// Sums the value and the slope of pair_term() over the positives of every row and, if `both`, of every column.
template <class Card, class T>
void add_pair_terms(const SimilarityParameters& parameters, const MarkedTile<T>& marked, const T* row_logs,
                    const T* column_logs, PositiveSums<T>& down, PositiveSums<T>& across) {
  using V = Vec<T>;
  const Card card{{parameters}};
  const V zero(T(0));
  clear(across);
  for (std::int64_t i = 0; i < marked.tile.rows; ++i) {
    PairTerm<V> sums{zero, zero};
    for (std::int64_t j = 0; j < marked.tile.columns; j += V::kLanes) {
      const std::int64_t at = i * kBlock<T> + j;
      const auto positive = V::load(marked.marks + at) > zero;
      if (!any(positive)) continue;
      const V u = V::load(marked.logits + at);
      const PairTerm<V> of_row = card.pair_term(u, V(row_logs[i]));
      sums.value = sums.value + where(positive, of_row.value, zero);
      sums.slope = sums.slope + where(positive, of_row.slope, zero);
      if (!marked.both) continue;
      const PairTerm<V> of_column = card.pair_term(u, V::load(column_logs + j));
      (V::load(across.first + j) + where(positive, of_column.value, zero)).store(across.first + j);
      (V::load(across.second + j) + where(positive, of_column.slope, zero)).store(across.second + j);
    }
    down.first[i] = sum(sums.value);
    down.second[i] = sum(sums.slope);
  }
}

// Replaces the logits with the weights of their pairs.
template <class Card, class T>
void weigh_marked(const SimilarityParameters& parameters, const MarkedTile<T>& marked,
                  const Softmax<T>& softmax, const Anchors<T>& x, const Anchors<T>& y) {
  using V = Vec<T>;
  const Card card{{parameters}};
  const PairTile<T>& tile = marked.tile;
  const V zero(T(0));
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    for (std::int64_t j = 0; j < tile.columns; j += V::kLanes) {
      const std::int64_t at = i * kBlock<T> + j;
      const V u = V::load(marked.logits + at);
      V w = softmax.of_pair(u, i, j);
      const auto positive = V::load(marked.marks + at) > zero;
      if (any(positive)) {
        V of_positive = card.positive_weight(u, x.row(i));
        if (!softmax.rows_only) of_positive = of_positive + card.positive_weight(u, y.columns(j));
        w = where(positive, of_positive, w);
      }
      const V column = V::ramp() + V(static_cast<T>(j));
      w = where(column < V(static_cast<T>(tile.columns)), w, zero);
      if (tile.diagonal) w = where(column == V(static_cast<T>(i)), zero, w);
      w.store(marked.logits + at);
    }
  }
}

template <class T>
struct LossTerms {
  double factor, rate;
  bool log_sum, pair_terms, balanced;
  AnchorTerms (*terms)(const SimilarityParameters&, const AnchorSums&);
  void (*add_pair_terms)(const SimilarityParameters&, const MarkedTile<T>&, const T*, const T*,
                         PositiveSums<T>&, PositiveSums<T>&);
  void (*weigh)(const SimilarityParameters&, const MarkedTile<T>&, const Softmax<T>&, const Anchors<T>&,
                const Anchors<T>&);
};

template <class T>
inline LossTerms<T> loss_terms_of(int index, const SimilarityParameters& parameters) {
  return with_loss(index, [&]<class Card>() -> LossTerms<T> {
    const Card card{{parameters}};
    return {
        card.factor(),
        card.rate(),
        Card::kLogSum,
        Card::kPairTerms,
        Card::kBalanced,
        [](const SimilarityParameters& given, const AnchorSums& sums) { return Card{{given}}.terms(sums); },
        add_pair_terms<Card, T>,
        weigh_marked<Card, T>};
  });
}

}  // namespace
}  // namespace horoball
