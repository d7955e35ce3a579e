// The logits of a tile of pairs, and what the loss's weights make of it on the way back. Only these two
// functions know the geometry; they reach the rest of the family through a table.
#pragma once

#include "cpu/contrast_rows.h"
#include "ops/metrics.h"

namespace horoball {
namespace {

// A tile of pairs, pitch kBlock: inner products g of e, squared differences s of h (of z where heads are
// tied).
template <class T>
struct PairTile {
  const Prepared<T>& x;
  const Prepared<T>& y;
  const LogitScale<T>& scale;
  double c;
  T* g;
  T* s;
  std::int64_t rows, columns;
  bool diagonal;  // a block with itself
};

// By which x (see kReach) is multiplied on the way back, and the least weight that it then gives.
constexpr int kLift = 90;
template <class T>
constexpr T kLeastLifted = static_cast<T>(sizeof(T) == 4 ? 0x1p-36 : 0x1p-932);

// The weight of pair (i, j) is exp(S - row_log[i]) + exp(S - column_log[j]), and row_twin[i] + column_twin[j]
// where it is positive.
template <class T>
struct Softmax {
  const T* row_log;
  const T* column_log;
  const T* row_twin;
  const T* column_twin;
  const TileHalves<T>& halves;
  bool positive;  // the diagonal's pairs are

  template <class V>
  HOROBALL_INLINE V of_pair(V logit, std::int64_t i, std::int64_t j) const {
    const V column = V::load(column_log + j);
    if (!halves.within_reach) return exp(logit - V(row_log[i])) + exp(logit - column);
    const V in_row = V::load(halves.columns.rise + j) * V(halves.rows.fall[i]);
    const V in_both = fma(V::load(halves.columns.fall + j), V(halves.rows.rise[i]), in_row);
    // Where x is too small to be a number, the larger of the two may still be one, and all that its anchors
    // have. Lifted, x stands still at its lower end, where what it makes is below the least.
    const V lifted = exp_within<kLift>(between(logit, row_log[i], column)) * in_both;
    return where(lifted < V(kLeastLifted<T>), V(T(0)), lifted) * V(T(0x1p-90));
  }

  // Of the positive in row i, where that is column j.
  template <class V>
  HOROBALL_INLINE V of_twin(std::int64_t i, std::int64_t j) const {
    return V(row_twin[i]) + V::load(column_twin + j);
  }
};

// What the pairs of a tile add to the factor of x_i and of y_j in their own gradients.
template <class T>
struct Lifts {
  T* rows;
  T* columns;
};

// Sums over pairs of the weight times each of these: what the parameters' gradients are made of.
struct ParamSums {
  double inner = 0, distance = 0, curvature = 0, radius = 0;

  void add(const ParamSums& other, double times) {
    inner += times * other.inner;
    distance += times * other.distance;
    curvature += times * other.curvature;
    radius += times * other.radius;
  }
};

// Told of the pairs that are too near for the matrix product, with their weights.
template <class T>
struct NearSink {
  void* context;
  void (*take)(void* context, std::int64_t i, std::int64_t j, T weight);
};

template <class T>
struct Terms {
  // S(i, j) into `logits`, pitch kBlock.
  void (*logits)(const PairTile<T>&, T* logits);
  // Overwrites g by the weights of the product with e, and s by those of the product with h; where heads are
  // tied, s by those of the product with z.
  ParamSums (*weigh)(const PairTile<T>&, const Softmax<T>&, const Lifts<T>&, const NearSink<T>&);
  // The numbers of the rows that s is between.
  void (*prepare)(double c, const BlockRows<T>&, std::int64_t first, const Prepared<T>&);
  bool uses_g, uses_s;
};

// What a pair's logit is made of, for a vector V of pairs.
template <class V>
struct PairTerms {
  V g, s, near_below, qx, qy, nx, ny, distance, logit;
};

template <class Card, bool kE, bool kH, bool kTied, class T>
struct Pairs {
  static constexpr bool kGram = kE && !kTied;  // g comes from its own product, else from s

  const PairTile<T>& tile;
  const Card card{tile.c};

  template <class V>
  HOROBALL_INLINE PairTerms<V> at(std::int64_t i, std::int64_t j) const {
    const std::int64_t place = i * kBlock<T> + j;
    PairTerms<V> p;
    if constexpr (kGram) p.g = V::load(tile.g + place);
    if constexpr (kH || kTied) {
      p.s = V::load(tile.s + place);
      p.nx = V(tile.x.n[i]);
      p.ny = V::load(tile.y.n + j);
      const V norms = p.nx + p.ny;
      if constexpr (kTied) p.g = V(T(0.5)) * (norms - p.s);
      if constexpr (kH) measure(p, norms, i, j);
    }
    p.logit = V(T(0));
    if constexpr (kE) p.logit = V(tile.scale.e_share) * p.g;
    if constexpr (kH) p.logit = fma(V(-tile.scale.h_share), p.distance, p.logit);
    return p;
  }

 private:
  // A pair at infinite distance (a point outside the ball) has no gradient: it goes on as a coincident one.
  template <class V>
  HOROBALL_INLINE void measure(PairTerms<V>& p, V norms, std::int64_t i, std::int64_t j) const {
    p.near_below = V(static_cast<T>(kNear)) * norms;
    p.qx = V(tile.x.q[i]);
    p.qy = V::load(tile.y.q + j);
    const V s = p.s;
    if constexpr (Card::kBounded && !kTied) p.s = where(s > V(static_cast<T>(-kOutside)), V(T(0)), s);
    p.distance = card.distance(scaled_s(p), p.qx, p.qy);
    if constexpr (Card::kBounded && !kTied) p.distance = where(s > p.s, V(tile.scale.infinite), p.distance);
    if constexpr (kTied) {
      p.nx = V(tile.scale.ratio) * p.nx;
      p.ny = V(tile.scale.ratio) * p.ny;
    }
  }

 public:
  // Squared difference in the ball.
  template <class V>
  HOROBALL_INLINE V scaled_s(const PairTerms<V>& p) const {
    if constexpr (kTied) return V(tile.scale.ratio) * p.s;
    return p.s;
  }
};

// body.template operator()<V>(j) for every column, two vectors at a time.
template <class T, class Body>
HOROBALL_INLINE void each_vector(std::int64_t columns, Body body) {
  std::int64_t j = 0;
  for (; j + Vec<T>::kLanes < columns; j += Twin<T>::kLanes) body.template operator()<Twin<T>>(j);
  if (j < columns) body.template operator()<Vec<T>>(j);
}

template <class Card, bool kE, bool kH, bool kTied, class T>
void logits_of(const PairTile<T>& tile, T* logits) {
  const Pairs<Card, kE, kH, kTied, T> pairs{tile};
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    each_vector<T>(tile.columns, [&]<class V>(std::int64_t j) HOROBALL_LAMBDA {
      pairs.template at<V>(i, j).logit.store(logits + i * kBlock<T> + j);
    });
  }
}

// The softmax weight of a vector of pairs; 0 for padding and for a sample with itself.
template <class V, class T>
HOROBALL_INLINE V softmax_weight(const PairTile<T>& tile, const Softmax<T>& softmax, V logit, std::int64_t i,
                                 std::int64_t j) {
  const V w = softmax.of_pair(logit, i, j);
  const bool crossed = i >= j && i < j + V::kLanes && (tile.diagonal || softmax.positive);
  const bool last = j + V::kLanes > tile.columns;
  if (!crossed && !last) return w;
  const V column = V::ramp() + V(static_cast<T>(j)), zero(T(0));
  V kept = w;
  if (crossed)
    kept =
        where(column == V(static_cast<T>(i)), tile.diagonal ? zero : softmax.template of_twin<V>(i, j), kept);
  return where(column < V(static_cast<T>(tile.columns)), kept, zero);
}

// Sums over a row of pairs.
template <class T>
struct RowSums {
  Vec<T> lift{T(0)}, inner{T(0)}, distance{T(0)}, curvature{T(0)}, radius{T(0)};

  ParamSums params() const {
    return {static_cast<double>(sum(inner)), static_cast<double>(sum(distance)),
            static_cast<double>(sum(curvature)), static_cast<double>(sum(radius))};
  }
};

template <class Card, bool kE, bool kH, bool kTied, class T>
struct Weighing {
  const PairTile<T>& tile;
  const Softmax<T>& softmax;
  const Lifts<T>& lifts;
  const NearSink<T>& near;
  const Pairs<Card, kE, kH, kTied, T> pairs{tile};

  template <class V>
  HOROBALL_INLINE void at(std::int64_t i, std::int64_t j, RowSums<T>& sums) const {
    const PairTerms<V> p = pairs.template at<V>(i, j);
    const V w = softmax_weight(tile, softmax, p.logit, i, j);
    const std::int64_t place = i * kBlock<T> + j;
    V product = V(T(0));  // with e, or with z
    if constexpr (kE) {
      sums.inner = sums.inner + halved(w * p.g);
      product = kTied ? V(tile.scale.e_share) * w : w;
    }
    if constexpr (kH) {
      const V far = distances(p, w, i, j, sums);
      if constexpr (kTied) product = product + far;
      if constexpr (!kTied) far.store(tile.s + place);
    }
    if constexpr (kTied) product.store(tile.s + place);
    if constexpr (kE && !kTied) product.store(tile.g + place);
  }

 private:
  // The distance's part. Returns its weights in the product with h (with z when tied).
  template <class V>
  HOROBALL_INLINE V distances(const PairTerms<V>& p, V w, std::int64_t i, std::int64_t j,
                              RowSums<T>& sums) const {
    const V s = pairs.scaled_s(p), zero(T(0));
    const Slope<V> slope = pairs.card.slope(s, p.qx, p.qy);
    const V pull = kTied ? V(tile.scale.h_share * tile.scale.ratio) * (w * slope.pull) : w * slope.pull;
    sums.distance = sums.distance + halved(w * min(V(kFarthest<T>), p.distance));
    sums.curvature =
        sums.curvature + halved(w * pairs.card.by_curvature(p.distance, s, p.qx, p.qy, p.nx, p.ny));
    const auto is_near = p.s < p.near_below;
    const V far = where(is_near, zero, pull);
    if (any_lane(p.s, is_near)) tell_near(pull, far, i, j);
    if constexpr (kTied) {
      const V turn = fma(slope.pull, s, fma(slope.lift_x, p.nx, slope.lift_y * p.ny));
      sums.radius = sums.radius + halved(w * turn);
    } else {
      sums.lift = sums.lift + halved(fma(w, slope.lift_x, far));
      (V::load(lifts.columns + j) + fma(w, slope.lift_y, far)).store(lifts.columns + j);
    }
    return far;
  }

  // Numbers too large for T make a NaN of every weight, of what pads the columns too: there is no row to add
  // to.
  template <class V>
  [[gnu::noinline]] void tell_near(V pull, V far, std::int64_t i, std::int64_t j) const {
    T pulls[V::kLanes], kept[V::kLanes];
    pull.store(pulls);
    far.store(kept);
    for (int l = 0; l < V::kLanes && j + l < tile.columns; ++l) {
      if (pulls[l] != kept[l]) near.take(near.context, i, j + l, pulls[l]);
    }
  }
};

template <class Card, bool kE, bool kH, bool kTied, class T>
ParamSums weigh_pairs(const PairTile<T>& tile, const Softmax<T>& softmax, const Lifts<T>& lifts,
                      const NearSink<T>& near) {
  const Weighing<Card, kE, kH, kTied, T> weighing{tile, softmax, lifts, near};
  ParamSums sums;
  for (std::int64_t j = 0; j < kBlock<T>; ++j) lifts.columns[j] = 0;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    RowSums<T> row;
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

template <class Card, bool kE, bool kH, class T>
inline Terms<T> terms_with(bool tied) {
  // Tied: the rows are z, and the ball's quantity is one number for all.
  if (tied) {
    return {logits_of<Card, kE, kH, true, T>, weigh_pairs<Card, kE, kH, true, T>, prepare_with<Chordal, T>,
            false, true};
  }
  return {logits_of<Card, kE, kH, false, T>, weigh_pairs<Card, kE, kH, false, T>, prepare_with<Card, T>, kE,
          kH};
}

template <class T>
inline Terms<T> terms_of(const ContrastArgs& args) {
  const bool hypmix = args.guards == Guards::hypmix;
  switch (args.geometry) {
    case Geometry::euclidean:
      return terms_with<Chordal, true, false, T>(args.tied);
    case Geometry::chordal:
      return terms_with<Chordal, false, true, T>(args.tied);
    case Geometry::hyperbolic:
      return hypmix ? terms_with<PoincareHypmix, false, true, T>(args.tied)
                    : terms_with<Poincare, false, true, T>(args.tied);
    case Geometry::hybrid:
      break;
  }
  return hypmix ? terms_with<PoincareHypmix, true, true, T>(args.tied)
                : terms_with<Poincare, true, true, T>(args.tied);
}

}  // namespace
}  // namespace horoball
