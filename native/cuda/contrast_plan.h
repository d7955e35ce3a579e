// The contrastive loss as tiles of one symmetric N x N matrix, and what its kernels share.
//
// Samples are ordered view by view, each view padded to whole tiles, so that a tile belongs to one pair of
// views and a positive pair lies on the diagonal of a tile. A block owns a tile of rows and goes through the
// tiles of columns: every sum over partners has one owner and one order.
#pragma once

#include "cuda/near.h"
#include "cuda/separate.h"
#include "ops/metrics.h"
#include "ops/tied.h"

namespace horoball::gpu {
namespace {

// The logit of a pair that does not exist.
constexpr double kNone = -1e30;

// What a parameter's gradient is made of: sums over pairs of the weight times each.
enum Param { kInner, kDistance, kCurvature, kRadius, kParams };

struct ViewMap {
  std::int64_t views, classes, per_view, tiles;  // tiles of a view, and of all

  template <class T>
  __device__ std::int64_t class_of(std::int64_t tile, int row) const {
    return tile % per_view * kSide<T> + row;
  }
};

// How a call's results are weighted; see finish_gradient and report.
struct Shares {
  double term;  // of one term of one ordered pair of views in the loss
  double e_factor, h_factor;
};

template <class T>
struct Contrast {
  Packed<T> e, h;  // h: of z where heads are tied
  ViewMap map;
  double c;
  T e_share, h_share, ratio, tied_q;  // the logit is e_share <e,e> - h_share d, at ratio * s where tied
  T infinite;                         // d from a row outside: kFarthest where h_share is 0, lest it be NaN
  Shares shares;
  bool wants_stats, wants_params;
  std::int64_t forward_parts, backward_parts;

  T *top, *total;       // [part][view][place], of negatives: the largest logit against a view, and the sum
                        // of exp(logit - largest)
  std::int32_t* first;  // the class (the lowest) at which it stands
  T* positive;          // [view][place]: its logit, and from contrast_finish on its probability less 1
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

// A geometry: its card, whether it reads inner products of e and distances of h, and whether heads are tied.
template <class C, bool E, bool H, bool Tied>
struct Kind {
  using Card = C;
  static constexpr bool kE = E, kH = H, kTied = Tied;
  static constexpr bool kGram = E && !Tied;    // inner products come from a product of their own
  static constexpr bool kBetween = H || Tied;  // s is wanted
};

// What a pair's logit is made of.
template <class T>
struct Pair {
  T g, s, near_below, qx, qy, nx, ny, distance, logit;
};

template <class K, class T>
__device__ T scaled_s(const Contrast<T>& k, const Pair<T>& p) {
  return K::kTied ? k.ratio * p.s : p.s;
}

// `card` is of k's curvature, made once a thread: its roots are in float64, and a kernel that writes reads
// k.c anew for every pair.
template <class K, class T>
__device__ Pair<T> pair_at(const Contrast<T>& k, const typename K::Card& card, T g, T s, std::int64_t i,
                           std::int64_t j) {
  Pair<T> p{};
  p.g = g;
  if constexpr (K::kBetween) {
    p.s = s;
    p.nx = k.h.n[i];
    p.ny = k.h.n[j];
    const T norms = p.nx + p.ny;
    if constexpr (K::kTied) p.g = T(0.5) * (norms - s);
    if constexpr (K::kH) {
      p.near_below = static_cast<T>(kCut<T> * kNear) * norms;
      p.qx = K::kTied ? k.tied_q : k.h.q[i];
      p.qy = K::kTied ? k.tied_q : k.h.q[j];
      // A pair at infinite distance (a point outside the ball) has no gradient: it goes on as a coincident
      // one.
      if constexpr (K::Card::kBounded && !K::kTied) p.s = s > static_cast<T>(-kOutside) ? T(0) : s;
      p.distance = card.distance(scaled_s<K>(k, p), p.qx, p.qy);
      if constexpr (K::Card::kBounded && !K::kTied) p.distance = s > p.s ? k.infinite : p.distance;
      if constexpr (K::kTied) {
        p.nx = k.ratio * p.nx;
        p.ny = k.ratio * p.ny;
      }
    }
  }
  if constexpr (K::kE) p.logit = k.e_share * p.g;
  if constexpr (K::kH) p.logit = fma(-k.h_share, p.distance, p.logit);
  return p;
}

// This thread's inner products and squared differences of a tile.
template <class K, class T>
__device__ void fill_tile(Slabs<T>& slabs, const Contrast<T>& k, std::int64_t x_tile, std::int64_t y_tile,
                          Sums<T>& g, Sums<T>& s) {
  if constexpr (K::kGram) product(slabs, k.e.panel(x_tile), k.e.panel(y_tile), k.e.deep, k.e.plain, g);
  if constexpr (K::kBetween) separate<Chordal>(slabs, k.h, x_tile, k.h, y_tile, true, s);
}

// One tile's place among its partners' parts: [first, last).
struct Span {
  std::int64_t first, last;
};
__device__ inline Span span_of(std::int64_t part, std::int64_t parts, std::int64_t count) {
  return {count * part / parts, count * (part + 1) / parts};
}

}  // namespace
}  // namespace horoball::gpu
