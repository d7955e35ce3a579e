// The forward pass: log-sum-exp of every sample against every view, kept in registers while a block processes the
// tiles of the view; then the loss (Odds in ops/contrast.h) and the statistics.
#pragma once

#include "cuda/contrast/plan.h"

namespace horoball::gpu {
namespace {

template <class T>
using Sum = LogSum<T, std::int32_t>;

template <class T>
__device__ Sum<T> empty_sum() {
  return {.first = 0x7fffffff};
}

// Adds this thread's logits of a row, in ascending order of class.
template <class T>
__device__ void add_logits(Sum<T>& sum, const T (&logits)[kMicro<T>], std::int64_t column_class) {
  T best = sum.top;
#pragma unroll
  for (int c = 0; c < kMicro<T>; ++c) {
    if (logits[c] > best) {
      best = logits[c];
      sum.first = static_cast<std::int32_t>(column_class + c);
    }
  }
  sum.total *= std::exp(sum.top - best);
  sum.top = best;
#pragma unroll
  for (int c = 0; c < kMicro<T>; ++c) sum.total += std::exp(logits[c] - best);
}

// Merges the sums of all threads that share the row.
template <class T>
__device__ void join(Sum<T>& sum) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) {
    sum.merge({__shfl_xor_sync(0xffffffffu, sum.top, step), __shfl_xor_sync(0xffffffffu, sum.total, step),
               __shfl_xor_sync(0xffffffffu, sum.first, step)});
  }
}

// Computes the log-sum-exp of each row of a tile over one part of the tiles of a view, and stores the logits of positives.
// blockIdx.x enumerates [row tile][view][part], the part fastest.
template <class K, class T>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor)
    contrast_forward(const __grid_constant__ Contrast<T> k) {
  __shared__ Slabs<T> slabs;
  __shared__ double across[kThreads / 32];
  const ViewMap& map = k.map;
  const typename K::Card card{k.c};
  const std::int64_t part = blockIdx.x % k.forward_parts, view = blockIdx.x / k.forward_parts % map.views,
                     x_tile = blockIdx.x / k.forward_parts / map.views, x_view = x_tile / map.per_view;
  const Span span = span_of(part, k.forward_parts, map.per_view);
  Sum<T> rows[kMicro<T>];
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) rows[r] = empty_sum<T>();
  double least = HUGE_VAL, sum = 0;
  for (std::int64_t t = span.first; t < span.last; ++t) {
    const std::int64_t y_tile = view * map.per_view + t;
    Sums<T> g = {}, s = {};
    fill_tile<K>(slabs, k, x_tile, y_tile, g, s);
    const std::int64_t column_class = map.class_of<T>(y_tile, first_column<T>());
    T tile_sum = 0;
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
      const std::int64_t i = x_tile * kSide<T> + first_row<T>() + r,
                         row_class = map.class_of<T>(x_tile, first_row<T>() + r);
      T logits[kMicro<T>];
#pragma unroll
      for (int c = 0; c < kMicro<T>; ++c) {
        const std::int64_t j = y_tile * kSide<T> + first_column<T>() + c;
        const bool diagonal = column_class + c == row_class;
        const T logit = pair_at<K>(k, card, g[r][c], s[r][c], i, j).logit;
        const bool real = column_class + c < map.classes;
        logits[c] = real && !diagonal ? logit : static_cast<T>(kNone);
        if (!real || view == x_view) continue;
        if (diagonal) k.positive[view * k.e.slots + i] = logit;
        if (row_class >= map.classes) continue;
        tile_sum += logit;
        if (static_cast<double>(logit) < least) least = static_cast<double>(logit);
      }
      add_logits(rows[r], logits, column_class);
    }
    sum += static_cast<double>(tile_sum);
  }
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
    join(rows[r]);
    if (first_column<T>() != 0) continue;
    const std::int64_t at = (part * map.views + view) * k.e.slots + x_tile * kSide<T> + first_row<T>() + r;
    k.top[at] = rows[r].top;
    k.total[at] = rows[r].total;
    k.first[at] = rows[r].first;
  }
  if (!k.wants_stats) return;
  const double all = across_block(sum, across);
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_xor_sync(0xffffffffu, least, step);
    least = other < least ? other : least;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) across[threadIdx.x / 32] = least;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < kThreads / 32; ++w) least = across[w] < least ? across[w] : least;
  k.sum[blockIdx.x] = all;
  k.least[blockIdx.x] = least;
}

template <class T>
__device__ Sum<T> whole(const Contrast<T>& k, std::int64_t view, std::int64_t slot) {
  Sum<T> sum = empty_sum<T>();
  for (std::int64_t part = 0; part < k.forward_parts; ++part) {
    const std::int64_t at = (part * k.map.views + view) * k.e.slots + slot;
    sum.merge({k.top[at], k.total[at], k.first[at]});
  }
  return sum;
}

// Computes the losses, the final values of Contrast::positive and Contrast::reference, and parts of the statistics, with one
// block per tile and one thread per sample. For another view b, the reference is L_ab (ops/contrast.h); for the sample's own
// view it is -log sum_b exp(-L_ab), because its negatives count for every b.
template <class T>
__global__ void contrast_finish(const __grid_constant__ Contrast<T> k) {
  __shared__ double losses[kSide<T>], hits[kSide<T>], tops[kSide<T>];
  const ViewMap& map = k.map;
  const int r = static_cast<int>(threadIdx.x);
  const std::int64_t tile = blockIdx.x, slot = tile * kSide<T> + r, own = tile / map.per_view,
                     row_class = map.class_of<T>(tile, r);
  const bool real = row_class < map.classes;
  const Sum<T> own_sum = whole(k, own, slot);
  T lowest = static_cast<T>(HUGE_VAL), inverse = 0;  // sum over b of exp(-L_ab) = inverse * exp(-lowest)
  double loss = 0, hit = 0;
  for (std::int64_t view = 0; view < map.views; ++view) {
    const std::int64_t at = view * k.e.slots + slot;
    T highest = static_cast<T>(-HUGE_VAL);
    if (view != own) {
      Sum<T> sum = whole(k, view, slot);
      const T positive = real ? k.positive[at] : T(0), top = sum.top;
      const bool hits_it = positive > top || (positive == top && row_class < sum.first);
      highest = positive > top ? positive : top;
      sum.merge(own_sum);
      const Odds<T> odds(sum.top, log_total(sum.total), positive, map.classes == 1);
      k.reference[at] = odds.whole;
      k.positive[at] = odds.miss;
      if (real) {
        loss += static_cast<double>(odds.loss);
        hit += hits_it ? 1 : 0;
      }
      const T next = odds.whole < lowest ? odds.whole : lowest;
      inverse =
          inverse * static_cast<T>(std::exp(next - lowest)) + static_cast<T>(std::exp(next - odds.whole));
      lowest = next;
    }
    if (!k.wants_stats) continue;
    tops[r] = real && view != own ? static_cast<double>(highest) : -HUGE_VAL;
    __syncthreads();
    if (r == 0) {
      double most = -HUGE_VAL;
      for (int other = 0; other < kSide<T>; ++other) most = tops[other] > most ? tops[other] : most;
      k.most[tile * map.views + view] = most;
    }
    __syncthreads();
  }
  k.reference[own * k.e.slots + slot] = lowest - static_cast<T>(std::log(inverse));
  losses[r] = loss;
  hits[r] = hit;
  __syncthreads();
  if (r != 0) return;
  loss = hit = 0;
  for (int other = 0; other < kSide<T>; ++other) {
    loss += losses[other];
    hit += hits[other];
  }
  k.loss[tile] = loss;
  k.hits[tile] = hit;
}

// Writes the loss and the statistics, in one block. The statistics are means over the pairs of views: min, mean and max
// over unordered pairs, accuracy over ordered pairs.
template <class T>
__global__ void contrast_report(const __grid_constant__ Contrast<T> k, double* loss, ContrastStats* stats) {
  __shared__ double across[kThreads / 32];
  const ViewMap& map = k.map;
  double part_loss = 0, part_hits = 0, least = 0, sum = 0, most = 0;
  for (std::int64_t tile = threadIdx.x; tile < map.tiles; tile += kThreads) {
    part_loss += k.loss[tile];
    part_hits += k.hits[tile];
  }
  if (stats != nullptr) {
    for (std::int64_t pair = threadIdx.x; pair < map.views * map.views; pair += kThreads) {
      const std::int64_t a = pair / map.views, b = pair % map.views;
      if (a >= b) continue;
      double pair_least = HUGE_VAL, pair_most = -HUGE_VAL;
      for (std::int64_t tile = a * map.per_view; tile < (a + 1) * map.per_view; ++tile) {
        pair_most = k.most[tile * map.views + b] > pair_most ? k.most[tile * map.views + b] : pair_most;
        for (std::int64_t part = 0; part < k.forward_parts; ++part) {
          const std::int64_t at = (tile * map.views + b) * k.forward_parts + part;
          pair_least = k.least[at] < pair_least ? k.least[at] : pair_least;
          sum += k.sum[at];
        }
      }
      least += pair_least;
      most += pair_most;
    }
  }
  const double all_loss = across_block(part_loss, across), all_hits = across_block(part_hits, across),
               all_least = across_block(least, across), all_sum = across_block(sum, across),
               all_most = across_block(most, across);
  if (threadIdx.x != 0) return;
  if (loss != nullptr) *loss = all_loss * k.shares.term;
  if (stats == nullptr) return;
  const double pairs = static_cast<double>(map.views * (map.views - 1) / 2),
               classes = static_cast<double>(map.classes);
  stats->min = all_least / pairs;
  stats->mean = all_sum / (pairs * classes * classes);
  stats->max = all_most / pairs;
  stats->accuracy = all_hits / (2 * pairs * classes);
}

}  // namespace
}  // namespace horoball::gpu
