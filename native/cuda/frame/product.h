// The two products of a tile: rows with rows, and weights with rows. float32 uses the tensor cores, float64 fused
// multiply-adds over k in ascending order; either way x.y == y.x to the last bit.
#pragma once

#include <type_traits>

#include "cuda/frame/tensor.h"

namespace horoball::gpu {
namespace {

// Computes this thread's sums of A B' for two panels, [coordinate][kSide] each, `depth` a multiple of kSlab. `plain`:
// factors are rounded to 11 significant bits, the precision of tensor cores (float32 only).
template <class T>
__device__ void product(Slabs<T>& shared, const T* a, const T* b, std::int64_t depth, bool plain,
                        Sums<T>& sums) {
  constexpr int m = kMicro<T>;
#pragma unroll
  for (int r = 0; r < m; ++r) {
#pragma unroll
    for (int c = 0; c < m; ++c) sums[r][c] = 0;
  }
  const std::int64_t slabs = depth / kSlab;
  if (slabs == 0) return;
  __syncthreads();  // all threads have finished reading shared memory
  if constexpr (std::is_same_v<T, float>) {
    tensor_product(shared, a, b, slabs, plain, sums);
  } else {
    each_slab(
        shared, slabs, [&](auto& to, std::int64_t s) { fetch_slab(to, a, b, s); },
        [&](const auto& slab, std::int64_t) {
          const T *left = slab[0] + first_row<T>(), *right = slab[1] + first_column<T>();
#pragma unroll
          for (int k = 0; k < kSlab; ++k) {
            const Quad<T> x = quad(left + k * kSlabPitch<T>), y = quad(right + k * kSlabPitch<T>);
#pragma unroll
            for (int r = 0; r < m; ++r) {
#pragma unroll
              for (int c = 0; c < m; ++c) sums[r][c] = fma(x.v[r], y.v[c], sums[r][c]);
            }
          }
        });
  }
}

// sums += W R: the weights in shared memory times kSide rows starting at `rows`, `pitch` apart.
template <class T>
__device__ void spread(Slabs<T>& shared, const Weights<T>& weights, const T* rows, std::int64_t pitch,
                       bool plain, ChunkSums<T>& sums) {
  each_slab(
      shared, kSide<T> / kSlab,
      [&](auto& to, std::int64_t s) { fetch_rows(to, rows + s * kSlab * pitch, pitch); },
      [&](const auto& slab, std::int64_t s) {
        sums.add(weights.from(static_cast<int>(s) * kSlab), slab[0], plain);
      });
}

}  // namespace
}  // namespace horoball::gpu
