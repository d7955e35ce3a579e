// Pairs that are too near for the product of weights with rows: their differences are added directly.
#pragma once

#include "cuda/rows.h"

namespace horoball::gpu {
namespace {

// sums(i, k) -= W(i, j) (x_i - y_j)_k over the weights put before, most of which are 0.
template <class T>
__device__ __attribute__((noinline)) void subtract_near(const Weights<T>& weights, const Packed<T>& x,
                                                        std::int64_t x_tile, const Packed<T>& y,
                                                        std::int64_t y_tile, std::int64_t chunk,
                                                        ChunkSums<T>& sums) {
  for (int j = 0; j < kSide<T>; ++j) {
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
      const T weight = weights.at[j * Weights<T>::kPitch + first_row<T>() + r];
      if (weight == 0) continue;
      const std::int64_t x_place = x_tile * kSide<T> + first_row<T>() + r, y_place = y_tile * kSide<T> + j;
      const T *a = x.row(x_place), *b = y.row(y_place);
      const double a_scale = x.scale[x_place], b_scale = y.scale[y_place];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int c = 0; c < kMicro<T>; ++c) {
          const std::int64_t k = chunk * kChunk<T> + half * kSide<T> + first_column<T>() + c;
          if (k >= x.depth) continue;
          const double difference = a_scale * static_cast<double>(a[k]) - b_scale * static_cast<double>(b[k]);
          sums[r][half][c] -= static_cast<T>(static_cast<double>(weight) * difference);
        }
      }
    }
  }
}

// Writes this thread's sums to row-major partial sums, `pitch` apart.
template <class T>
__device__ void store_chunk(const ChunkSums<T>& sums, T* to, std::int64_t pitch, std::int64_t tile,
                            std::int64_t chunk) {
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
    T* row = to + (tile * kSide<T> + first_row<T>() + r) * pitch + chunk * kChunk<T> + first_column<T>();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      Quad<T> values;
#pragma unroll
      for (int c = 0; c < kMicro<T>; ++c) values.v[c] = sums[r][half][c];
      *reinterpret_cast<Quad<T>*>(row + half * kSide<T>) = values;
    }
  }
}

// In how many parts the partners of a row tile are cut, so that all processors have work.
inline std::int64_t parts_for(const Call& call, std::int64_t blocks, std::int64_t partners) {
  const std::int64_t wanted = ceil_div(call.busy(), greater(blocks, 1));
  return greater(lesser(wanted, partners), 1);
}

}  // namespace
}  // namespace horoball::gpu
