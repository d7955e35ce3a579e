// Gromov's delta (cpu/delta/delta.h has the formula). Its inner part is a product of the matrix G of Gromov products with
// itself, with (max, min) in place of (+, *), one block per tile. G is symmetric, so only tiles on and above the diagonal are
// computed. The entries of G are computed from the distances as slabs are loaded, and are never written to device memory.
#include "cuda/families.h"
#include "cuda/frame/tiles.h"

namespace horoball::gpu {
namespace {

template <class T>
struct Products {
  const T* distances;
  std::int64_t n, base;

  // Returns G_ik. The values of padding are so large in magnitude that they never affect the result.
  __device__ T at(std::int64_t i, std::int64_t k) const {
    constexpr T kHuge = sizeof(T) == 4 ? T(1e36) : T(1e306);
    if (i >= n) return kHuge;
    if (k >= n) return -kHuge;
    return (distances[base * n + k] + distances[base * n + i] - distances[k * n + i]) / 2;
  }
};

// Returns the maximum over a block. `shared` has space for one number per thread.
template <class T>
__device__ T block_max(T value, T* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = blockDim.x / 2; step > 0; step /= 2) {
    if (threadIdx.x < step && shared[threadIdx.x + step] > shared[threadIdx.x]) {
      shared[threadIdx.x] = shared[threadIdx.x + step];
    }
    __syncthreads();
  }
  return shared[0];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    delta_tile(Products<T> g, std::int64_t tiles, T* delta, T* diameter) {
  constexpr int m = kMicro<T>;
  __shared__ Slabs<T> slabs;
  __shared__ T most[kThreads];
  const std::int64_t x_tile = blockIdx.x / tiles, y_tile = blockIdx.x % tiles;
  T *left = slabs.slab[0][0], *right = slabs.slab[0][1];
  T worst = 0, longest = 0;
  if (y_tile >= x_tile) {
    Sums<T> best;
    for (int r = 0; r < m; ++r) {
      for (int c = 0; c < m; ++c) best[r][c] = -static_cast<T>(1e36);
    }
    for (std::int64_t from = 0; from < g.n; from += kSlab) {
      __syncthreads();
      for (int e = static_cast<int>(threadIdx.x); e < kSlab * kSide<T>; e += kThreads) {
        const int k = e / kSide<T>, row = e % kSide<T>;
        left[e] = g.at(x_tile * kSide<T> + row, from + k);
        right[e] = g.at(y_tile * kSide<T> + row, from + k);
      }
      __syncthreads();
#pragma unroll
      for (int k = 0; k < kSlab; ++k) {
        const Quad<T> a = quad(left + k * kSide<T> + first_row<T>()),
                      b = quad(right + k * kSide<T> + first_column<T>());
#pragma unroll
        for (int r = 0; r < m; ++r) {
#pragma unroll
          for (int c = 0; c < m; ++c) {
            const T lower = a.v[r] < b.v[c] ? a.v[r] : b.v[c];
            best[r][c] = lower > best[r][c] ? lower : best[r][c];
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < m; ++r) {
#pragma unroll
      for (int c = 0; c < m; ++c) {
        const std::int64_t i = x_tile * kSide<T> + first_row<T>() + r,
                           j = y_tile * kSide<T> + first_column<T>() + c;
        if (i >= g.n || j >= g.n) continue;
        const T excess = best[r][c] - g.at(j, i), distance = g.distances[i * g.n + j];
        worst = excess > worst ? excess : worst;
        longest = distance > longest ? distance : longest;
      }
    }
  }
  worst = block_max(worst, most);
  __syncthreads();
  longest = block_max(longest, most);
  if (threadIdx.x != 0) return;
  delta[blockIdx.x] = worst;
  diameter[blockIdx.x] = longest;
}

template <class T>
__global__ void largest(const T* values, std::int64_t count, double* result) {
  __shared__ T most[kThreads];
  T value = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) value = values[i] > value ? values[i] : value;
  value = block_max(value, most);
  if (threadIdx.x == 0 && result != nullptr) *result = static_cast<double>(value);
}

template <class T>
Status delta_of(int device, const DeltaArgs& args, const Run& run) {
  Call call(device, run);
  const std::int64_t n = args.distances.rows, tiles = ceil_div(n, kSide<T>), blocks = tiles * tiles;
  const Products<T> products{call.in<T>(args.distances.data, n * n), n, args.base};
  T *delta = call.scratch<T>(blocks), *diameter = call.scratch<T>(blocks);
  call.launch(delta_tile<T>, blocks, kThreads, products, tiles, delta, diameter);
  call.launch(largest<T>, 1, kThreads, delta, blocks, call.out<double>(args.delta, 1));
  call.launch(largest<T>, 1, kThreads, diameter, blocks, call.out<double>(args.diameter, 1));
  return call.finish();
}

}  // namespace

Status delta(int device, const DeltaArgs& args, const Run& run) {
  return with_type(args.type, [&]<class T>() { return delta_of<T>(device, args, run); });
}

}  // namespace horoball::gpu
