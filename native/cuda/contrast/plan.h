// The contrastive loss as tiles of one symmetric N x N matrix, and what its kernels share.
//
// Samples are ordered view by view, each view padded to whole tiles, so a tile belongs to one pair of views and a
// positive pair is on the diagonal of a tile. A block owns a tile of rows and loops over the tiles of columns: every
// sum over partners has one owner and one order.
#pragma once

#include "cuda/pairwise/differences.h"
#include "cuda/pairwise/near.h"
#include "ops/geometries/cards.h"
#include "ops/head.h"

namespace horoball::gpu {
namespace {

// The logit of a pair that does not exist.
constexpr double kNone = -1e30;

// Sums over pairs of the weight times each of these quantities, from which the gradients of the parameters
// are computed.
enum Param { kInner, kDistance, kCurvature, kRadius, kParams };

struct ViewMap {
  std::int64_t views, classes, per_view, tiles;  // tiles per view, and in total

  template <class T>
  __device__ std::int64_t class_of(std::int64_t tile, int row) const {
    return tile % per_view * kSide<T> + row;
  }
};

// The weights of the results; see contrast_gradient and contrast_report.
struct Shares {
  double term;  // weight of one term of one ordered pair of views in the loss
  double e_factor, h_factor;
};

template <class T>
struct Contrast {
  Packed<T> e, h;  // h: of z if heads are tied
  ViewMap map;
  double c;
  T e_weight, h_weight, ratio,
      tied_q;  // the logit is e_weight <e,e> - h_weight d, with d at ratio * s if tied
  T infinite;  // d from a row outside; kFarthest if h_weight is 0, because 0 times infinity would be NaN
  Shares shares;
  bool wants_stats, wants_params;
  std::int64_t forward_parts, backward_parts;

  T *top, *total;       // [part][view][place], of negatives: the largest logit against a view, and the sum
                        // of exp(logit - largest)
  std::int32_t* first;  // the lowest class that attains it
  T* positive;          // [view][place]: its logit, and after contrast_finish its probability minus 1
  T* reference;  // [view][place]: the weight of a negative is exp(logit - reference of its row) and the
                 // same of its column
  double *least, *sum;  // of a forward block's logits
  double *loss, *hits;  // of a tile
  double* most;         // [tile][view]
  T *e_sums, *h_sums;   // [part][place][pitch]: sums of weights times rows
  double* lift;         // [part][place]
  double* params;       // [backward block][Param]

  std::int64_t places() const { return map.tiles * kSide<T>; }
};

// The terms of the logit of a pair.
template <class T>
struct Pair {
  T g, s, near_below, qx, qy, nx, ny, distance, logit;
};

template <class K, class T>
__device__ T scaled_s(const Contrast<T>& k, const Pair<T>& p) {
  return K::kTied ? k.ratio * p.s : p.s;
}

// `card` is constructed once per thread: its roots are in float64, and a kernel that writes memory would reload k.c
// for every pair.
template <class K, class T>
__device__ Pair<T> pair_at(const Contrast<T>& k, const typename K::Card& card, T g, T s, std::int64_t i,
                           std::int64_t j) {
  Pair<T> p{};
  p.g = g;
  if constexpr (K::kSquared) {
    p.s = s;
    p.nx = k.h.n[i];
    p.ny = k.h.n[j];
    if constexpr (K::kTied) p.g = T(0.5) * (p.nx + p.ny - s);
    if constexpr (K::kDistance) {
      constexpr bool kMinkowski = K::kRows == Rows::minkowski;
      constexpr double kPart = kCut<T> * (kMinkowski ? kNearMinkowski : kNear);
      p.near_below = static_cast<T>(kPart) * (kMinkowski ? k.h.size[i] + k.h.size[j] : p.nx + p.ny);
      p.qx = K::kTied ? k.tied_q : k.h.q[i];
      p.qy = K::kTied ? k.tied_q : k.h.q[j];
      // A pair at infinite distance (a point outside the ball) has no gradient: it is treated as coincident.
      if constexpr (K::kBounded) p.s = s > static_cast<T>(-kOutside) ? T(0) : s;
      p.distance = card.distance(scaled_s<K>(k, p), p.qx, p.qy);
      if constexpr (K::kBounded) p.distance = s > p.s ? k.infinite : p.distance;
      if constexpr (K::kTied) {
        p.nx = k.ratio * p.nx;
        p.ny = k.ratio * p.ny;
      }
    }
  }
  if constexpr (K::kInner) p.logit = k.e_weight * p.g;
  if constexpr (K::kDistance) p.logit = fma(-k.h_weight, p.distance, p.logit);
  return p;
}

// This thread's inner products and squared differences of a tile.
template <class K, class T>
__device__ void fill_tile(Slabs<T>& slabs, const Contrast<T>& k, std::int64_t x_tile, std::int64_t y_tile,
                          Sums<T>& g, Sums<T>& s) {
  if constexpr (K::kGram) product(slabs, k.e.panel(x_tile), k.e.panel(y_tile), k.e.deep, k.e.plain, g);
  if constexpr (K::kSquared)
    squared_differences<typename K::Difference>(slabs, k.h, x_tile, k.h, y_tile, true, s);
}

// One part of the partners of a tile: [first, last).
struct Span {
  std::int64_t first, last;
};
__device__ inline Span span_of(std::int64_t part, std::int64_t parts, std::int64_t count) {
  return {count * part / parts, count * (part + 1) / parts};
}

}  // namespace
}  // namespace horoball::gpu
