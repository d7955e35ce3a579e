// The backward pass: recomputes the logits of every tile, turns them into the softmax weights of its pairs,
// and multiplies the weights by rows. The weights are symmetric, so the gradient of a row depends only on its
// own row of weights.
#pragma once

#include "cuda/contrast/plan.h"

namespace horoball::gpu {
namespace {

// Sums over all threads of a block. Only thread 0 has the result.
__device__ inline ParamSums across_block(const ParamSums& sums, double* shared) {
  return {across_block(sums.inner, shared), across_block(sums.distance, shared),
          across_block(sums.curvature, shared), across_block(sums.radius, shared)};
}

// The position of this thread's pairs in a pair of tiles, computed once because that takes integer divisions.
template <class T>
struct Corner {
  std::int64_t row_class, column_class;  // of its first row and column
  std::int64_t in_row, in_column;        // their positions in `reference` and `positive`
  bool same_view;

  __device__ Corner(const Contrast<T>& k, std::int64_t x_tile, std::int64_t y_tile)
      : row_class(k.map.template class_of<T>(x_tile, first_row<T>())),
        column_class(k.map.template class_of<T>(y_tile, first_column<T>())) {
    const std::int64_t x_view = x_tile / k.map.per_view, y_view = y_tile / k.map.per_view;
    in_row = y_view * k.e.slots + x_tile * kSide<T> + first_row<T>();
    in_column = x_view * k.e.slots + y_tile * kSide<T> + first_column<T>();
    same_view = x_view == y_view;
  }
};

// Returns the softmax weight of a pair, which is 0 for padding and for a sample with itself. `r` and `c` are relative to the
// corner.
template <class T>
__device__ T softmax_weight(const Contrast<T>& k, const Corner<T>& at, T logit, int r, int c) {
  const std::int64_t row_class = at.row_class + r, column_class = at.column_class + c;
  const bool diagonal = row_class == column_class;
  if (row_class >= k.map.classes || column_class >= k.map.classes || (diagonal && at.same_view)) return 0;
  const std::int64_t in_row = at.in_row + r, in_column = at.in_column + c;
  if (diagonal) return k.positive[in_row] + k.positive[in_column];
  return std::exp(logit - k.reference[in_row]) + std::exp(logit - k.reference[in_column]);
}

// The sums of a thread over its pairs, in addition to the products.
template <class T>
struct PairSums {
  double lift[kMicro<T>] = {};
  ParamSums params;
};

// Overwrites g with the weights that multiply e (z if heads are tied), and s with the weights that multiply h if heads are
// not tied. Writes the weights of near pairs to `near`, and adds to `totals`. Returns whether this thread has near pairs.
template <class K, class T>
__device__ bool weigh(const Contrast<T>& k, const typename K::Card& card, std::int64_t x_tile,
                      std::int64_t y_tile, Sums<T>& g, Sums<T>& s, Sums<T>& near, PairSums<T>& totals) {
  const Corner<T> corner(k, x_tile, y_tile);
  const std::int64_t i = x_tile * kSide<T> + first_row<T>(), j = y_tile * kSide<T> + first_column<T>();
  bool any_near = false;
  T inner = 0, distance = 0, curvature = 0, radius = 0;
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
    T lift = 0;
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) {
      const PairTerms<T> p = pair_at<K>(k, card, g[r][c], s[r][c], i + r, j + c);
      const T w = softmax_weight(k, corner, p.logit, r, c);
      near[r][c] = 0;
      T with_e = 0;
      if constexpr (K::kInner) {
        inner += w * p.g;
        with_e = K::kTied ? k.scale.e_weight * w : w;
      }
      if constexpr (K::kDistance) {
        const DistanceTerms<T> d = distance_terms<K>(card, k.scale, p, w);
        distance += d.distance;
        if (k.wants_params) curvature += curvature_term<K>(card, k.scale, p, w);
        if (d.pull != 0 && p.s < p.near_below) {
          near[r][c] = d.pull;
          any_near = true;
        }
        if constexpr (K::kTied) {
          radius += d.radius;
          with_e += d.far;
        } else {
          lift += d.lift_x;
          s[r][c] = d.far;
        }
      }
      if constexpr (K::kInner || K::kTied) g[r][c] = with_e;
    }
    totals.lift[r] += static_cast<double>(lift);
  }
  totals.params.inner += static_cast<double>(inner);
  totals.params.distance += static_cast<double>(distance);
  totals.params.curvature += static_cast<double>(curvature);
  totals.params.radius += static_cast<double>(radius);
  return any_near;
}

// Multiplies the weights of a row tile by one chunk of columns of its partners, and sums the products over one part of the
// partner tiles. blockIdx.x enumerates [row tile][chunk][part], the part fastest.
template <class K, class T>
__global__ void __launch_bounds__(kThreads)
    contrast_backward(const __grid_constant__ Contrast<T> k, std::int64_t chunks) {
  // Tied heads have one product, with z, which takes the place of e.
  constexpr bool kWithE = K::kInner || K::kTied, kWithH = K::kDistance && !K::kTied;
  __shared__ Slabs<T> slabs;
  __shared__ Weights<T> weights;
  __shared__ double across[kThreads / 32];
  const std::int64_t part = blockIdx.x % k.backward_parts, chunk = blockIdx.x / k.backward_parts % chunks,
                     x_tile = blockIdx.x / k.backward_parts / chunks;
  const Packed<T>& with_e = K::kTied ? k.h : k.e;
  const typename K::Card card{k.c};
  ChunkSums<T> e_sums, h_sums;
  if constexpr (kWithE) e_sums.clear();
  if constexpr (kWithH) h_sums.clear();
  PairSums<T> totals;
  const Span span = span_of(part, k.backward_parts, k.map.tiles);
  for (std::int64_t y_tile = span.first; y_tile < span.last; ++y_tile) {
    Sums<T> g = {}, s = {}, near;
    fill_tile<K>(slabs, k, x_tile, y_tile, g, s);
    const bool any_near = weigh<K>(k, card, x_tile, y_tile, g, s, near, totals);
    const std::int64_t from = y_tile * kSide<T>;
    if constexpr (kWithE) {
      if (k.e_sums != nullptr) {
        put_weights(weights, g);
        spread(slabs, weights, with_e.lines + from * with_e.pitch + chunk * kChunk<T>, with_e.pitch,
               with_e.plain, e_sums);
      }
    }
    if constexpr (kWithH) {
      if (k.h_sums != nullptr) {
        put_weights(weights, s);
        spread(slabs, weights, k.h.lines + from * k.h.pitch + chunk * kChunk<T>, k.h.pitch, k.h.plain,
               h_sums);
      }
    }
    if constexpr (K::kDistance) {
      if (!__syncthreads_or(any_near)) continue;
      put_weights(weights, near);
      subtract_near(weights, k.h, x_tile, k.h, y_tile, chunk, K::kTied ? e_sums : h_sums);
    }
  }
  const std::int64_t slots = k.map.tiles * kSide<T>;
  if constexpr (kWithE) {
    if (k.e_sums != nullptr)
      store_chunk(e_sums, k.e_sums + part * slots * with_e.pitch, with_e.pitch, x_tile, chunk);
  }
  if constexpr (kWithH) {
    if (k.h_sums != nullptr)
      store_chunk(h_sums, k.h_sums + part * slots * k.h.pitch, k.h.pitch, x_tile, chunk);
  }
  if (chunk != 0) return;
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
    const double lift = across_row(totals.lift[r]);
    if (first_column<T>() == 0) k.lift[part * slots + x_tile * kSide<T> + first_row<T>() + r] = lift;
  }
  const ParamSums params = across_block(totals.params, across);
  if (threadIdx.x == 0) k.params[x_tile * k.backward_parts + part] = params;
}

template <class T>
__device__ double part_sum(const T* sums, std::int64_t parts, std::int64_t stride, std::int64_t at) {
  double total = 0;
  for (std::int64_t part = 0; part < parts; ++part) total += static_cast<double>(sums[part * stride + at]);
  return total;
}

// Computes the gradients from the sums of weights and of weighted rows, with one warp per slot.
template <class K, class T>
__global__ void contrast_gradient(const __grid_constant__ Contrast<T> k, T* e_gradient, T* h_gradient) {
  const std::int64_t slot = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const std::int64_t slots = k.map.tiles * kSide<T>, depth = k.e.depth;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (slot >= slots) return;
  const std::int64_t row = k.e.row_at(slot);
  if (row < 0) return;
  if constexpr (K::kTied) {
    // Keeps the component orthogonal to z.
    const T* z = k.h.data + row * depth;
    double along = 0, square = 0;
    for (std::int64_t i = lane; i < depth; i += 32) {
      const double v = static_cast<double>(z[i]);
      along += v * part_sum(k.e_sums, k.backward_parts, slots * k.h.pitch, slot * k.h.pitch + i);
      square += v * v;
    }
    along = across_warp(along);
    square = across_warp(square);
    const double part = square > 0 ? along / square : 0;
    for (std::int64_t i = lane; i < depth; i += 32) {
      const double sum = part_sum(k.e_sums, k.backward_parts, slots * k.h.pitch, slot * k.h.pitch + i);
      e_gradient[row * depth + i] = static_cast<T>(k.shares.term * (sum - part * static_cast<double>(z[i])));
    }
    return;
  }
  if (e_gradient != nullptr) {
    for (std::int64_t i = lane; i < depth; i += 32) {
      const double sum = part_sum(k.e_sums, k.backward_parts, slots * k.e.pitch, slot * k.e.pitch + i);
      e_gradient[row * depth + i] = static_cast<T>(k.shares.e_factor * sum);
    }
  }
  if (h_gradient != nullptr) {
    const double lift = part_sum(k.lift, k.backward_parts, slots, slot);
    const T* h = k.h.data + row * depth;
    for (std::int64_t i = lane; i < depth; i += 32) {
      const double sum = part_sum(k.h_sums, k.backward_parts, slots * k.h.pitch, slot * k.h.pitch + i);
      const double value = k.shares.h_factor * (lift * static_cast<double>(h[i]) - sum);
      h_gradient[row * depth + i] = static_cast<T>(K::kRows == Rows::minkowski && i == 0 ? -value : value);
    }
  }
}

// Writes the gradients of the parameters, in one block. Halves the sums, because every unordered pair was counted twice.
template <class T>
__global__ void contrast_params(const __grid_constant__ Contrast<T> k, ParamFactors factors, double* grad) {
  __shared__ double across[kThreads / 32];
  ParamSums sums;
  for (std::int64_t block = threadIdx.x; block < k.map.tiles * k.backward_parts; block += kThreads)
    sums.add(k.params[block], 0.5);
  sums = across_block(sums, across);
  if (threadIdx.x == 0) gradients_of_params(sums, factors, grad);
}

}  // namespace
}  // namespace horoball::gpu
