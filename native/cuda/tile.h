// A tile of a matrix product, held in the registers of one block: kSide x kSide sums, each thread kMicro x
// kMicro of them, its factors passing through shared memory a slab of coordinates at a time while the next
// slab is on its way.
//
// Sums run over k in ascending order with one fused multiply-add a step, as on the CPU, so that x.y == y.x to
// the last bit.
#pragma once

#include <cuda_pipeline.h>

#include "cuda/device.h"
#include "ops/number.h"

namespace horoball::gpu {
namespace {

template <class T>
constexpr int kSide = sizeof(T) == 4 ? 64 : 32;
template <class T>
constexpr int kMicro = kSide<T> / 16;
constexpr int kSlab = 16;  // coordinates, or rows, in shared memory at a time
// Columns of a gradient that a block holds at a time.
template <class T>
constexpr int kChunk = 2 * kSide<T>;

// What a thread reads or writes at once: 16 bytes.
template <class T>
struct alignas(16) Quad {
  T v[kMicro<T>];
};
static_assert(sizeof(Quad<float>) == 16 && sizeof(Quad<double>) == 16);

// This thread's first row and first column in a tile.
template <class T>
__device__ int first_row() {
  return static_cast<int>(threadIdx.x) / 16 * kMicro<T>;
}
template <class T>
__device__ int first_column() {
  return static_cast<int>(threadIdx.x) % 16 * kMicro<T>;
}

// Two slabs of both factors: one in use, one arriving. The other product's rows take a pair of them at once.
template <class T>
struct alignas(16) Slabs {
  T slab[2][2][kSlab * kSide<T>];  // [turn][factor]
};

template <class T>
__device__ const Quad<T>& quad(const T* at) {
  return *reinterpret_cast<const Quad<T>*>(at);
}

template <class T>
using Sums = T[kMicro<T>][kMicro<T>];

// A slab is kThreads quads long, so each thread copies one of each factor.
template <class T>
__device__ void fetch_slab(T (&to)[2][kSlab * kSide<T>], const T* a, const T* b, std::int64_t slab) {
  static_assert(kThreads * kMicro<T> == kSlab * kSide<T>);
  const int at = static_cast<int>(threadIdx.x) * kMicro<T>;
  const std::int64_t from = slab * (kSlab * kSide<T>)+at;
  __pipeline_memcpy_async(&to[0][at], a + from, sizeof(Quad<T>));
  __pipeline_memcpy_async(&to[1][at], b + from, sizeof(Quad<T>));
  __pipeline_commit();
}

// sums = A B' for two panels, [coordinate][kSide] each, `depth` a multiple of kSlab.
template <class T>
__device__ void product(Slabs<T>& shared, const T* a, const T* b, std::int64_t depth, Sums<T>& sums) {
  constexpr int m = kMicro<T>;
#pragma unroll
  for (int r = 0; r < m; ++r) {
#pragma unroll
    for (int c = 0; c < m; ++c) sums[r][c] = 0;
  }
  const std::int64_t slabs = depth / kSlab;
  if (slabs == 0) return;
  __syncthreads();  // what was in shared memory is no longer read
  fetch_slab(shared.slab[0], a, b, 0);
  for (std::int64_t s = 0; s < slabs; ++s) {
    if (s + 1 < slabs) {
      fetch_slab(shared.slab[(s + 1) & 1], a, b, s + 1);
      __pipeline_wait_prior(1);
    } else {
      __pipeline_wait_prior(0);
    }
    __syncthreads();
    const T *left = shared.slab[s & 1][0] + first_row<T>(),
            *right = shared.slab[s & 1][1] + first_column<T>();
#pragma unroll
    for (int k = 0; k < kSlab; ++k) {
      const Quad<T> x = quad(left + k * kSide<T>), y = quad(right + k * kSide<T>);
#pragma unroll
      for (int r = 0; r < m; ++r) {
#pragma unroll
        for (int c = 0; c < m; ++c) sums[r][c] = fma(x.v[r], y.v[c], sums[r][c]);
      }
    }
    __syncthreads();
  }
}

// A tile of weights, its columns outermost, so that a column's rows are read as quads.
template <class T>
struct alignas(16) Weights {
  static constexpr int kPitch = kSide<T> + kMicro<T>;
  T at[kSide<T> * kPitch];
};

template <class T>
__device__ void put_weights(Weights<T>& shared, const Sums<T>& weights) {
  constexpr int m = kMicro<T>;
  __syncthreads();  // the last ones are no longer read
#pragma unroll
  for (int c = 0; c < m; ++c) {
    Quad<T> column;
#pragma unroll
    for (int r = 0; r < m; ++r) column.v[r] = weights[r][c];
    *reinterpret_cast<Quad<T>*>(shared.at + (first_column<T>() + c) * Weights<T>::kPitch + first_row<T>()) =
        column;
  }
  __syncthreads();
}

// This thread's part of kSide x kChunk sums: its rows, and a quad of either half of the columns.
template <class T>
using ChunkSums = T[kMicro<T>][2][kMicro<T>];

template <class T>
__device__ void clear_chunk(ChunkSums<T>& sums) {
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) sums[r][0][c] = sums[r][1][c] = 0;
  }
}

// kSlab rows of a chunk, from the row-major rows that `rows` begins.
template <class T>
__device__ void fetch_rows(T (&to)[2][kSlab * kSide<T>], const T* rows, std::int64_t pitch) {
  static_assert(kSlab * kChunk<T> == 2 * kThreads * kMicro<T>);
  constexpr int kQuads = kChunk<T> / kMicro<T>;  // of a row
#pragma unroll
  for (int turn = 0; turn < 2; ++turn) {
    const int number = static_cast<int>(threadIdx.x) + turn * kThreads;
    const int row = number / kQuads, column = number % kQuads * kMicro<T>;
    __pipeline_memcpy_async(&to[0][0] + row * kChunk<T> + column, rows + row * pitch + column,
                            sizeof(Quad<T>));
  }
  __pipeline_commit();
}

// sums += W R: the weights put before, and the kSide rows that `rows` begins, `pitch` apart.
template <class T>
__device__ void spread(Slabs<T>& shared, const Weights<T>& weights, const T* rows, std::int64_t pitch,
                       ChunkSums<T>& sums) {
  constexpr int m = kMicro<T>, slabs = kSide<T> / kSlab;
  fetch_rows(shared.slab[0], rows, pitch);
  for (int s = 0; s < slabs; ++s) {
    if (s + 1 < slabs) {
      fetch_rows(shared.slab[(s + 1) & 1], rows + (s + 1) * kSlab * pitch, pitch);
      __pipeline_wait_prior(1);
    } else {
      __pipeline_wait_prior(0);
    }
    __syncthreads();
    const T *left = weights.at + s * kSlab * Weights<T>::kPitch + first_row<T>(),
            *right = &shared.slab[s & 1][0][0] + first_column<T>();
#pragma unroll
    for (int k = 0; k < kSlab; ++k) {
      const Quad<T> w = quad(left + k * Weights<T>::kPitch);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Quad<T> y = quad(right + k * kChunk<T> + half * kSide<T>);
#pragma unroll
        for (int r = 0; r < m; ++r) {
#pragma unroll
          for (int c = 0; c < m; ++c) sums[r][half][c] = fma(w.v[r], y.v[c], sums[r][half][c]);
        }
      }
    }
    __syncthreads();
  }
}

// The sum over the 16 threads that share a row of a tile, the same in all of them.
template <class N>
__device__ N across_row(N value) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// The sum over a warp.
template <class N>
__device__ N across_warp(N value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// The sum over a block, in thread 0. `shared` has room for a number a warp.
__device__ inline double across_block(double value, double* shared) {
  value = across_warp(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  double total = 0;
  if (threadIdx.x == 0) {
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += shared[w];
  }
  return total;
}

}  // namespace
}  // namespace horoball::gpu
