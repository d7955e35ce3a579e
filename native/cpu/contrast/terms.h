// The logits of a tile of pairs, and the weights of the pairs in the backward pass. Only the functions of `LogitTable` are
// compiled for each geometry (PairKind of ops/geometries/card.h); the rest of the family calls them through that table.
#pragma once

#include "cpu/contrast/log_sum_exp.h"

namespace horoball {
namespace {

// The geometry and the parameters of a call's logit.
struct Logit {
  int geometry;
  bool published, tied;
  double tau_e, tau_h, lambda, c, clip;
};

// Returns the logit of a call. Divides both temperatures by `factor`, which multiplies the logit by it.
template <class Args>
inline Logit logit_of(const Args& args, double factor = 1) {
  return {static_cast<int>(args.geometry),
          args.guards == Guards::hypmix,
          args.tied,
          args.tau_e / factor,
          args.tau_h / factor,
          args.lambda,
          args.c,
          args.clip};
}

// A tile of pairs with pitch kBlock: inner products g of the unit rows e, and squared differences s of the points h (of the
// unit rows z if heads are tied).
template <class T>
struct PairTile {
  const Prepared<T>& x;
  const Prepared<T>& y;
  const LogitScale<T>& scale;
  double c;
  T* g;
  T* s;
  std::int64_t rows, columns;
  bool diagonal;  // the tile pairs a block with itself
};

// In the backward pass x (see kMaxSpread) is multiplied by 2^kScaleShift, which is more than e^(kMaxSpread/2). Therefore it
// does not underflow if either of the two exponentials is a normal number. A weight below the smallest normal number counts
// as 0: kLeastScaled is that number times 2^kScaleShift.
constexpr int kScaleShift = 90;
constexpr double kUnscale = 0x1p-90;
static_assert(kUnscale * (std::uint64_t{1} << kScaleShift / 2) * (std::uint64_t{1} << kScaleShift / 2) == 1);
template <class T>
constexpr T kLeastScaled = static_cast<T>(sizeof(T) == 4 ? 0x1p-36 : 0x1p-932);

// The weight of pair (i, j) with logit S is exp(S - row_log[i]) + exp(S - column_log[j]), and row_miss[i] +
// column_miss[j] for a positive pair on the diagonal.
template <class T>
struct Softmax {
  const T* row_log;
  const T* column_log;
  const T* row_miss;
  const T* column_miss;
  const TileHalves<T>& halves;
  bool positive;               // the pairs on the diagonal are positive
  bool rows_only = false;      // the columns are not anchors; then the halves are not shared
  const T* weights = nullptr;  // of all pairs of the tile, if computed in advance

  template <class V>
  HOROBALL_INLINE V of_pair(V logit, std::int64_t i, std::int64_t j) const {
    const V column = V::load(column_log + j);
    if (!halves.shared) {
      const V in_row = exp(logit - V(row_log[i]));
      return rows_only ? in_row : in_row + exp(logit - column);
    }
    const V in_row = V::load(halves.columns.rise + j) * V(halves.rows.fall[i]);
    const V in_both = fma(V::load(halves.columns.fall + j), V(halves.rows.rise[i]), in_row);
    // If x underflows, the larger of the two terms may still be representable, and may be the only weight of
    // its anchor. The scaled x keeps that term. If even the scaled x underflows, the result is below
    // kLeastScaled and counts as 0.
    const V scaled = exp_within<kScaleShift>(shared_exponent(logit, row_log[i], column)) * in_both;
    return where(scaled < V(kLeastScaled<T>), V(T(0)), scaled) * V(T(kUnscale));
  }

  // Returns the weight of the positive pair (i, j).
  template <class V>
  HOROBALL_INLINE V of_positive(std::int64_t i, std::int64_t j) const {
    return V(row_miss[i]) + V::load(column_miss + j);
  }
};

// Contributions of the pairs of a tile to the coefficient of x_i in the gradient with respect to x_i, and the same for y_j.
template <class T>
struct Lifts {
  T* rows;
  T* columns;
};

// Receives the near pairs, whose differences would cancel in the matrix product, with their weights.
template <class T>
struct NearSink {
  void* context;
  void (*take)(void* context, std::int64_t i, std::int64_t j, T weight);
};

template <class T>
struct LogitTable {
  // Writes S(i, j) to `logits`, with pitch kBlock.
  void (*logits)(const PairTile<T>&, T* logits);
  // Overwrites g with the weights that multiply the rows of e in the gradients, and s with the weights that multiply the
  // rows of h (of z if heads are tied). Also writes the lifts and reports near pairs. Returns the sums for the parameters.
  ParamSums (*weigh)(const PairTile<T>&, const Softmax<T>&, const Lifts<T>&, const NearSink<T>&);
  // Computes the per-row values (RowValues in ops/near.h) of kTileCols rows from row `first` on.
  void (*prepare)(double c, const BlockRows<T>&, std::int64_t first, const Prepared<T>&);
  double (*tied_quantity)(double c, double radius);  // the metric card's `q` of ball points with this radius
  bool gram, squared;                                // whether tiles of inner products and of s are needed
  Rows rows;                                         // the kind of rows from which s is computed
};

template <class K, class T>
struct Pairs {
  const PairTile<T>& tile;
  const typename K::Card card{tile.c};

  // Returns the terms of the pairs from (i, j) to (i, j + V::kLanes - 1).
  template <class V>
  HOROBALL_INLINE PairTerms<V> at(std::int64_t i, std::int64_t j) const {
    const std::int64_t at = i * kBlock<T> + j;
    PairTerms<V> p;
    if constexpr (K::kGram) p.g = V::load(tile.g + at);
    if constexpr (K::kSquared) {
      p.s = V::load(tile.s + at);
      p.nx = V(tile.x.n[i]);
      p.ny = V::load(tile.y.n + j);
    }
    if constexpr (K::kDistance) {
      p.near_below = V(static_cast<T>(kNearPart<typename K::Difference>)) * sizes(p, i, j);
      p.qx = V(tile.x.q[i]);
      p.qy = V::load(tile.y.q + j);
    }
    compute_logit<K>(card, tile.scale, p);
    return p;
  }

 private:
  template <class V>
  HOROBALL_INLINE V sizes(const PairTerms<V>& p, std::int64_t i, std::int64_t j) const {
    if constexpr (K::kRows == Rows::minkowski) return V(tile.x.size[i]) + V::load(tile.y.size + j);
    return p.nx + p.ny;
  }
};

// Calls body.template operator()<V>(j) for consecutive groups of columns, where j is the first column of a group. V is
// VecPair, or Vec for a last group that fits in one vector.
template <class T, class Body>
HOROBALL_INLINE void each_vector(std::int64_t columns, Body body) {
  std::int64_t j = 0;
  for (; j + Vec<T>::kLanes < columns; j += VecPair<T>::kLanes) body.template operator()<VecPair<T>>(j);
  if (j < columns) body.template operator()<Vec<T>>(j);
}

template <class K, class T>
void logits_of(const PairTile<T>& tile, T* logits) {
  const Pairs<K, T> pairs{tile};
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    each_vector<T>(tile.columns, [&]<class V>(std::int64_t j) HOROBALL_LAMBDA {
      pairs.template at<V>(i, j).logit.store(logits + i * kBlock<T> + j);
    });
  }
}

// Returns the softmax weights of a vector of pairs; 0 for padding and for a sample with itself.
template <class V, class T>
HOROBALL_INLINE V softmax_weight(const PairTile<T>& tile, const Softmax<T>& softmax, V logit, std::int64_t i,
                                 std::int64_t j) {
  if (softmax.weights != nullptr) return V::load(softmax.weights + i * kBlock<T> + j);
  const V w = softmax.of_pair(logit, i, j);
  const bool crossed = i >= j && i < j + V::kLanes && (tile.diagonal || softmax.positive);
  const bool last = j + V::kLanes > tile.columns;
  if (!crossed && !last) return w;
  const V column = V::ramp() + V(static_cast<T>(j)), zero(T(0));
  V kept = w;
  if (crossed)
    kept = where(column == V(static_cast<T>(i)), tile.diagonal ? zero : softmax.template of_positive<V>(i, j),
                 kept);
  return where(column < V(static_cast<T>(tile.columns)), kept, zero);
}

// Sums over a row of pairs.
template <class T>
struct RowTotals {
  Vec<T> lift{T(0)}, inner{T(0)}, distance{T(0)}, curvature{T(0)}, radius{T(0)};

  ParamSums params() const {
    return {static_cast<double>(sum(inner)), static_cast<double>(sum(distance)),
            static_cast<double>(sum(curvature)), static_cast<double>(sum(radius))};
  }
};

template <class K, class T>
struct Weighing {
  const PairTile<T>& tile;
  const Softmax<T>& softmax;
  const Lifts<T>& lifts;
  const NearSink<T>& near;
  const Pairs<K, T> pairs{tile};

  template <class V>
  HOROBALL_INLINE void at(std::int64_t i, std::int64_t j, RowTotals<T>& sums) const {
    const PairTerms<V> p = pairs.template at<V>(i, j);
    const V w = softmax_weight(tile, softmax, p.logit, i, j);
    const std::int64_t at = i * kBlock<T> + j;
    V product = V(T(0));  // the weight that multiplies e, or z
    if constexpr (K::kInner) {
      sums.inner = sums.inner + folded(w * p.g);
      product = K::kTied ? V(tile.scale.e_weight) * w : w;
    }
    if constexpr (K::kDistance) {
      const V far = distances(p, w, i, j, sums);
      if constexpr (K::kTied) product = product + far;
      if constexpr (!K::kTied) far.store(tile.s + at);
    }
    if constexpr (K::kTied) product.store(tile.s + at);
    if constexpr (K::kGram) product.store(tile.g + at);
  }

 private:
  // Adds the terms of the distance to `sums` and `lifts`, and reports near pairs. Returns the coefficients of h (of z if tied)
  // in the gradient's matrix product.
  template <class V>
  HOROBALL_INLINE V distances(const PairTerms<V>& p, V w, std::int64_t i, std::int64_t j,
                              RowTotals<T>& sums) const {
    const DistanceTerms<V> d = distance_terms<K>(pairs.card, tile.scale, p, w);
    sums.distance = sums.distance + folded(d.distance);
    sums.curvature = sums.curvature + folded(curvature_term<K>(pairs.card, tile.scale, p, w));
    if (any_lane(p.s, p.s < p.near_below)) report_near(d.pull, d.far, i, j);
    if constexpr (K::kTied) {
      sums.radius = sums.radius + folded(d.radius);
    } else {
      sums.lift = sums.lift + folded(d.lift_x);
      (V::load(lifts.columns + j) + d.lift_y).store(lifts.columns + j);
    }
    return d.far;
  }

  // Passes near pairs to `near`, with their weights. Skips padding columns, whose weights are NaN after an overflow.
  template <class V>
  [[gnu::noinline]] void report_near(V pull, V far, std::int64_t i, std::int64_t j) const {
    T pulls[V::kLanes], kept[V::kLanes];
    pull.store(pulls);
    far.store(kept);
    for (int l = 0; l < V::kLanes && j + l < tile.columns; ++l) {
      if (pulls[l] != kept[l]) near.take(near.context, i, j + l, pulls[l]);
    }
  }
};

template <class K, class T>
ParamSums weigh_pairs(const PairTile<T>& tile, const Softmax<T>& softmax, const Lifts<T>& lifts,
                      const NearSink<T>& near) {
  const Weighing<K, T> weighing{tile, softmax, lifts, near};
  ParamSums sums;
  for (std::int64_t j = 0; j < kBlock<T>; ++j) lifts.columns[j] = 0;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    RowTotals<T> row;
    each_vector<T>(tile.columns,
                   [&]<class V>(std::int64_t j) HOROBALL_LAMBDA { weighing.template at<V>(i, j, row); });
    lifts.rows[i] = sum(row.lift);
    sums.add(row.params(), 1);
  }
  return sums;
}

template <class Card, class T>
void prepare_with(double c, const BlockRows<T>& source, std::int64_t first, const Prepared<T>& out) {
  prepare_rows(Card{c}, source, first, out);
}

template <class T>
inline LogitTable<T> terms_of(const Logit& logit) {
  return with_pairs(logit.geometry, logit.published, logit.tied, []<class K>() {
    return LogitTable<T>{logits_of<K, T>,
                         weigh_pairs<K, T>,
                         prepare_with<typename K::Preparation, T>,
                         tied_quantity<typename K::Card>,
                         K::kGram,
                         K::kSquared,
                         K::kRows};
  });
}

}  // namespace
}  // namespace horoball
