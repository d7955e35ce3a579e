// A tile of a matrix product, held in the registers of one block: kSide x kSide sums, kMicro x kMicro per thread.
// The factors pass through shared memory one slab of coordinates at a time, while the next slab is being copied.
// The products are in product.h.
#pragma once

#include <cuda_pipeline.h>

#include "cuda/frame/device.h"
#include "ops/number.h"

namespace horoball::gpu {
namespace {

template <class T>
constexpr int kSide = sizeof(T) == 4 ? 64 : 32;
template <class T>
constexpr int kMicro = kSide<T> / 16;
constexpr int kSlab = 16;  // coordinates, or rows, per slab of shared memory
// Columns of a gradient that a block holds at a time.
template <class T>
constexpr int kChunk = 2 * kSide<T>;

// The unit of a thread's reads and writes: 16 bytes.
template <class T>
struct alignas(16) Quad {
  T v[kMicro<T>];
};
static_assert(sizeof(Quad<float>) == 16 && sizeof(Quad<double>) == 16);

// Return this thread's first row and first column in a tile.
template <class T>
__device__ int first_row() {
  return static_cast<int>(threadIdx.x) / 16 * kMicro<T>;
}
template <class T>
__device__ int first_column() {
  return static_cast<int>(threadIdx.x) % 16 * kMicro<T>;
}

// The pitch of rows in shared memory. An odd multiple of 8 floats avoids bank conflicts when a warp loads a fragment, 4
// rows of 8 floats at a time.
template <class T>
constexpr int kSlabPitch = sizeof(T) == 4 ? kSide<T> + 8 : kSide<T>;
template <class T>
constexpr int kChunkPitch = sizeof(T) == 4 ? kChunk<T> + 8 : kChunk<T>;

// Two slabs of both factors: one in use, one being copied. A product with weights copies only rows, and a slab of them
// takes the memory of both factors.
template <class T>
struct alignas(32) Slabs {
  T slab[2][2][kSlab * kSlabPitch<T>];  // [buffer][factor]
  static_assert(kSlab * kChunkPitch<T> <= 2 * kSlab * kSlabPitch<T>);
};

template <class T>
__device__ const Quad<T>& quad(const T* at) {
  return *reinterpret_cast<const Quad<T>*>(at);
}

// Writes data that is not read again soon. Without the intrinsic, the compiler splits a quad into separate stores.
__device__ inline void stream(float* to, const Quad<float>& q) {
  __stcs(reinterpret_cast<float4*>(to), make_float4(q.v[0], q.v[1], q.v[2], q.v[3]));
}
__device__ inline void stream(double* to, const Quad<double>& q) {
  __stcs(reinterpret_cast<double2*>(to), make_double2(q.v[0], q.v[1]));
}

template <class T>
using Sums = T[kMicro<T>][kMicro<T>];

// Starts to copy a slab of each factor. A slab has kThreads quads, so each thread copies one quad per factor.
template <class T>
__device__ void fetch_slab(T (&to)[2][kSlab * kSlabPitch<T>], const T* a, const T* b, std::int64_t slab) {
  static_assert(kThreads * kMicro<T> == kSlab * kSide<T>);
  const int at = static_cast<int>(threadIdx.x) * kMicro<T>,
            offset = at / kSide<T> * kSlabPitch<T> + at % kSide<T>;
  const std::int64_t from = slab * (kSlab * kSide<T>)+at;
  __pipeline_memcpy_async(&to[0][offset], a + from, sizeof(Quad<T>));
  __pipeline_memcpy_async(&to[1][offset], b + from, sizeof(Quad<T>));
  __pipeline_commit();
}

// For every s below count, calls fetch(slab, s), which starts a copy, and then use(slab, s) once that copy has completed.
template <class T, class Fetch, class Use>
__device__ void each_slab(Slabs<T>& shared, std::int64_t count, Fetch fetch, Use use) {
  fetch(shared.slab[0], std::int64_t{0});
  for (std::int64_t s = 0; s < count; ++s) {
    if (s + 1 < count) {
      fetch(shared.slab[(s + 1) & 1], s + 1);
      __pipeline_wait_prior(1);
    } else {
      __pipeline_wait_prior(0);
    }
    __syncthreads();
    use(shared.slab[s & 1], s);
    __syncthreads();
  }
}

// A tile of weights with columns outermost, so that the rows of a column are read as quads.
template <class T>
struct alignas(32) Weights {
  static constexpr int kPitch = kSide<T> + kMicro<T>;
  T at[kSide<T> * kPitch];

  __device__ T of(int row, int column) const { return at[column * kPitch + row]; }
  __device__ const T* from(int column) const { return at + column * kPitch; }
  __device__ void put(const Sums<T>& tile) {
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) {
      Quad<T> column;
#pragma unroll
      for (int r = 0; r < kMicro<T>; ++r) column.v[r] = tile[r][c];
      *reinterpret_cast<Quad<T>*>(at + (first_column<T>() + c) * kPitch + first_row<T>()) = column;
    }
  }
};

template <class T>
__device__ void put_weights(Weights<T>& shared, const Sums<T>& weights) {
  __syncthreads();  // all threads have finished reading the previous weights
  shared.put(weights);
  __syncthreads();
}

// This thread's part of kSide x kChunk sums: its rows, and a quad of each half of the columns.
template <class T>
struct ChunkSums {
  T sum[kMicro<T>][2][kMicro<T>];

  __device__ void clear() {
    each([](int, int, T& sum) { sum = 0; });
  }

  // Adds W R for kSlab columns of the weights, starting at `left`, and kSlab rows, starting at `right`.
  __device__ void add(const T* left, const T* right, bool) {
#pragma unroll
    for (int k = 0; k < kSlab; ++k) {
      const Quad<T> w = quad(left + k * Weights<T>::kPitch + first_row<T>());
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Quad<T> y = quad(right + k * kChunkPitch<T> + half * kSide<T> + first_column<T>());
#pragma unroll
        for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
          for (int c = 0; c < kMicro<T>; ++c) sum[r][half][c] = fma(w.v[r], y.v[c], sum[r][half][c]);
        }
      }
    }
  }

  // Calls body(row, column, sum) for every sum that this thread holds. All threads of the block must call it.
  template <class Body>
  __device__ void each(Body body) {
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int c = 0; c < kMicro<T>; ++c)
          body(first_row<T>() + r, half * kSide<T> + first_column<T>() + c, sum[r][half][c]);
      }
    }
  }

  // Writes the sums to row-major memory, the first row and column at `to`.
  __device__ void store(T* to, std::int64_t pitch) const {
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        Quad<T> values;
#pragma unroll
        for (int c = 0; c < kMicro<T>; ++c) values.v[c] = sum[r][half][c];
        *reinterpret_cast<Quad<T>*>(to + (first_row<T>() + r) * pitch + half * kSide<T> + first_column<T>()) =
            values;
      }
    }
  }
};

// Starts to copy kSlab rows of a chunk from row-major memory.
template <class T>
__device__ void fetch_rows(T (&to)[2][kSlab * kSlabPitch<T>], const T* rows, std::int64_t pitch) {
  static_assert(kSlab * kChunk<T> == 2 * kThreads * kMicro<T>);
  constexpr int kQuads = kChunk<T> / kMicro<T>;  // of a row
#pragma unroll
  for (int turn = 0; turn < 2; ++turn) {
    const int number = static_cast<int>(threadIdx.x) + turn * kThreads;
    const int row = number / kQuads, column = number % kQuads * kMicro<T>;
    __pipeline_memcpy_async(&to[0][0] + row * kChunkPitch<T> + column, rows + row * pitch + column,
                            sizeof(Quad<T>));
  }
  __pipeline_commit();
}

// Returns the sum over the 16 threads that share a row of a tile, in all of them.
template <class N>
__device__ N across_row(N value) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// Returns the sum over a warp, in all of its lanes.
template <class N>
__device__ N across_warp(N value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// Returns the sum over a block, in thread 0 only. `shared` has space for one number per warp.
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
