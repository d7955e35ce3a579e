// The contrastive loss as tiles of one symmetric N x N matrix, and the data that its kernels share.
//
// Samples are ordered view by view, each view padded to whole tiles, so a tile belongs to one pair of views and a
// positive pair is on the diagonal of a tile. A block owns a tile of rows and loops over the tiles of columns, or over one
// part of them. The sums of the parts are added in a fixed order.
#pragma once

#include "cuda/pairwise/differences.h"
#include "cuda/pairwise/near.h"
#include "ops/contrast.h"

namespace horoball::gpu {
namespace {

struct ViewMap {
  std::int64_t views, classes, per_view, tiles;  // the last two: tiles per view, and in total

  template <class T>
  __device__ std::int64_t class_of(std::int64_t tile, int row) const {
    return tile % per_view * kSide<T> + row;
  }
};

// The factors that turn sums into the loss (contrast_report) and its gradients (contrast_gradient).
struct Shares {
  double term;  // the weight of a sample's loss for one ordered pair of views
  double e_factor, h_factor;
};

template <class T>
struct Contrast {
  Packed<T> e, h;  // `euclidean` and `hyperbolic` of ContrastArgs; with tied heads, h has z
  ViewMap map;
  double c;
  LogitScale<T> scale;
  T tied_q;  // with tied heads, the quantity q (ops/metric_card.h) of every point
  Shares shares;
  bool wants_stats, wants_params;
  std::int64_t forward_parts, backward_parts;

  T *top, *total;       // [part][view][slot]: the largest logit of the negatives in the view, and the sum
                        // of exp(logit - largest)
  std::int32_t* first;  // the lowest class that attains it
  T* positive;          // [view][slot]: the positive's logit; after contrast_finish, its probability minus 1
  T* reference;         // [view][slot]: the weight of a negative is exp(logit - r) + exp(logit - c) for the
                        // references r and c of its row and its column
  double *least, *sum;  // of a forward block's logits
  double *loss, *hits;  // of a tile
  double* most;         // [tile][view]: the largest logit
  T *e_sums, *h_sums;   // [part][slot][pitch]: sums of weights times rows
  double* lift;         // [part][slot]
  ParamSums* params;    // [backward block]

  std::int64_t slots() const { return map.tiles * kSide<T>; }
};

// Returns the terms of a pair. `card` is constructed once per thread: if each call constructed it, a kernel that writes
// memory would reload k.c, and repeat the float64 square roots of the card, for every pair.
template <class K, class T>
__device__ PairTerms<T> pair_at(const Contrast<T>& k, const typename K::Card& card, T g, T s, std::int64_t i,
                                std::int64_t j) {
  PairTerms<T> p{};
  p.g = g;
  if constexpr (K::kSquared) {
    p.s = s;
    p.nx = k.h.n[i];
    p.ny = k.h.n[j];
  }
  if constexpr (K::kDistance) {
    constexpr T kPart = static_cast<T>(kCut<T> * kNearPart<typename K::Difference>);
    p.near_below = kPart * (K::kRows == Rows::minkowski ? k.h.size[i] + k.h.size[j] : p.nx + p.ny);
    p.qx = K::kTied ? k.tied_q : k.h.q[i];
    p.qy = K::kTied ? k.tied_q : k.h.q[j];
  }
  compute_logit<K>(card, k.scale, p);
  return p;
}

// Computes this thread's inner products and squared differences of a tile.
template <class K, class T>
__device__ void fill_tile(Slabs<T>& slabs, const Contrast<T>& k, std::int64_t x_tile, std::int64_t y_tile,
                          Sums<T>& g, Sums<T>& s) {
  if constexpr (K::kGram) product(slabs, k.e.panel(x_tile), k.e.panel(y_tile), k.e.deep, k.e.plain, g);
  if constexpr (K::kSquared)
    squared_differences<typename K::Difference>(slabs, k.h, x_tile, k.h, y_tile, true, s);
}

// One part of a tile's partners, which are divided into `parts` parts of nearly equal size.
struct Span {
  std::int64_t first, last;
};
__device__ inline Span span_of(std::int64_t part, std::int64_t parts, std::int64_t count) {
  return {count * part / parts, count * (part + 1) / parts};
}

}  // namespace
}  // namespace horoball::gpu
