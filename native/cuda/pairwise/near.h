// Pairs that are too near for the product of weights with rows: their gradients come from the differences of the rows.
// Also stores chunks of sums, and divides the partners of a row tile into parts.
#pragma once

#include "cuda/pairwise/prepared_rows.h"

namespace horoball::gpu {
namespace {

// sums(i, k) -= W(i, j) (x_i - y_j)_k over the weights in shared memory, most of which are 0.
template <class T>
__device__ __attribute__((noinline)) void subtract_near(const Weights<T>& weights, const Packed<T>& x,
                                                        std::int64_t x_tile, const Packed<T>& y,
                                                        std::int64_t y_tile, std::int64_t chunk,
                                                        ChunkSums<T>& sums) {
  sums.each([&](int row, int column, T& sum) {
    const std::int64_t x_slot = x_tile * kSide<T> + row, k = chunk * kChunk<T> + column;
    if (k >= x.depth) return;
    for (int j = 0; j < kSide<T>; ++j) {
      const T weight = weights.of(row, j);
      if (weight == 0) continue;
      const std::int64_t y_slot = y_tile * kSide<T> + j;
      const double difference = x.scale[x_slot] * static_cast<double>(x.row(x_slot)[k]) -
                                y.scale[y_slot] * static_cast<double>(y.row(y_slot)[k]);
      sum -= static_cast<T>(static_cast<double>(weight) * difference);
    }
  });
}

// Writes one chunk of a tile's sums to the row-major matrix `to` with `pitch` columns.
template <class T>
__device__ void store_chunk(const ChunkSums<T>& sums, T* to, std::int64_t pitch, std::int64_t tile,
                            std::int64_t chunk) {
  sums.store(to + tile * kSide<T> * pitch + chunk * kChunk<T>, pitch);
}

// Returns the number of parts into which the partners of a row tile are divided, so that all multiprocessors have work.
inline std::int64_t parts_for(const Call& call, std::int64_t blocks, std::int64_t partners) {
  const std::int64_t wanted = ceil_div(call.busy(), max(blocks, 1));
  return max(min(wanted, partners), 1);
}

}  // namespace
}  // namespace horoball::gpu
