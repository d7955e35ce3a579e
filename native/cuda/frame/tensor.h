// Products on the tensor cores: a warp holds blocks of 16 x 16 sums and processes 8 coordinates per step.
//
// A tensor core accepts factors of 11 significant bits. A float32 is split into such a number and a remainder, rounded to
// the same precision; three products (big big, small big, big small) give the float32 product to within 2^-23 of its value.
// Tensor cores truncate sums instead of rounding them, so a long sum would drift: each slab is summed separately and then
// added in float32.
//
// The hardware defines which lane holds which element of a block. Code here either treats all elements alike, or looks up
// their positions by loading a block whose elements are their own positions.
#pragma once

#include <mma.h>

#include "cuda/frame/tiles.h"

namespace horoball::gpu {
namespace {

namespace wmma = nvcuda::wmma;

constexpr int kFragment = 16, kStep = 8;
using Left =
    wmma::fragment<wmma::matrix_a, kFragment, kFragment, kStep, wmma::precision::tf32, wmma::col_major>;
using WeightLeft =
    wmma::fragment<wmma::matrix_a, kFragment, kFragment, kStep, wmma::precision::tf32, wmma::row_major>;
using Right =
    wmma::fragment<wmma::matrix_b, kFragment, kFragment, kStep, wmma::precision::tf32, wmma::row_major>;
using Block = wmma::fragment<wmma::accumulator, kFragment, kFragment, kStep, float>;

// A factor, split into numbers that a tensor core accepts (`big`) and the remainders (`small`).
template <class Factor>
struct Split {
  Factor big, small;

  // Loads a factor and splits it. `pitch` is the stride from one k to the next or, in a tile of weights, from one row to the
  // next.
  __device__ void load(const float* at, int pitch, bool plain) {
    wmma::load_matrix_sync(big, at, static_cast<unsigned>(pitch));
#pragma unroll
    for (int i = 0; i < big.num_elements; ++i) {
      const float value = big.x[i], rounded = wmma::__float_to_tf32(value);
      big.x[i] = rounded;
      if (plain) continue;
      // Tensor cores ignore the last 13 bits (CUTLASS relies on this too, in round_half_ulp_truncate). Adding half of the
      // last bit that they read turns the truncation into rounding, in one instruction instead of four. NaN is kept in
      // `big`.
      const float rest = rounded == value ? 0 : value - rounded;  // 0 for infinity
      small.x[i] = __uint_as_float(__float_as_uint(rest) + 0x1000u);
    }
  }
};

// The contribution of a slab to a block of sums. The two small terms are accumulated separately and first added to each
// other, so that x.y == y.x to the last bit.
struct SlabSum {
  Block main, left, right;

  __device__ void clear() {
    wmma::fill_fragment(main, 0.0f);
    wmma::fill_fragment(left, 0.0f);
    wmma::fill_fragment(right, 0.0f);
  }
  template <class A>
  __device__ void add(const Split<A>& a, const Split<Right>& b, bool plain) {
    wmma::mma_sync(main, a.big, b.big, main);
    if (plain) return;
    wmma::mma_sync(left, a.small, b.big, left);
    wmma::mma_sync(right, a.big, b.small, right);
  }
  __device__ void into(Block& sum) const {
#pragma unroll
    for (int i = 0; i < sum.num_elements; ++i) sum.x[i] += main.x[i] + (left.x[i] + right.x[i]);
  }
};

// Return the first row and column of this warp, which computes 16 rows of a tile and one half of its columns.
__device__ inline int warp_row() { return static_cast<int>(threadIdx.x) / 64 * kFragment; }
__device__ inline int warp_column(int columns) {
  return static_cast<int>(threadIdx.x) / 32 % 2 * columns / 2;
}

// Computes sums = A B', as described at product().
__device__ inline void tensor_product(Slabs<float>& shared, const float* a, const float* b,
                                      std::int64_t slabs, bool plain, Sums<float>& sums) {
  constexpr int kBlocks = kSide<float> / 2 / kFragment, kPitch = kSlabPitch<float>;
  static_assert(sizeof(shared.slab) >= sizeof(float) * kSide<float> * kPitch);
  const int row = warp_row(), column = warp_column(kSide<float>);
  Block total[kBlocks];
#pragma unroll
  for (Block& each : total) wmma::fill_fragment(each, 0.0f);
  each_slab(
      shared, slabs, [&](auto& to, std::int64_t s) { fetch_slab(to, a, b, s); },
      [&](const auto& slab, std::int64_t) {
        constexpr int kSteps = kSlab / kStep;
        Split<Left> left[kSteps];
#pragma unroll
        for (int step = 0; step < kSteps; ++step)
          left[step].load(slab[0] + step * kStep * kPitch + row, kPitch, plain);
      // One block at a time, so that registers hold the slab sums of a single block.
#pragma unroll
        for (int block = 0; block < kBlocks; ++block) {
          SlabSum sum;
          sum.clear();
#pragma unroll
          for (int step = 0; step < kSteps; ++step) {
            Split<Right> right;
            right.load(slab[1] + step * kStep * kPitch + column + block * kFragment, kPitch, plain);
            sum.add(left[step], right, plain);
          }
          sum.into(total[block]);
        }
      });
  // Redistributes the sums from the blocks of the warps to the threads, through shared memory.
  float* tile = shared.slab[0][0];
#pragma unroll
  for (int block = 0; block < kBlocks; ++block) {
    wmma::store_matrix_sync(tile + row * kPitch + column + block * kFragment, total[block], kPitch,
                            wmma::mem_row_major);
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kMicro<float>; ++r) {
    const Quad<float> line = quad(tile + (first_row<float>() + r) * kPitch + first_column<float>());
#pragma unroll
    for (int c = 0; c < kMicro<float>; ++c) sums[r][c] = line.v[c];
  }
}

// A tile of float32 weights. Unlike in the generic template, rows are outermost, so adjacent threads write adjacent quads.
// A pitch of an odd multiple of 4 floats avoids bank conflicts when a warp loads a fragment, 8 rows of 4 floats at a time.
template <>
struct alignas(32) Weights<float> {
  static constexpr int kPitch = kSide<float> + 4;
  float at[kSide<float> * kPitch];

  __device__ float of(int row, int column) const { return at[row * kPitch + column]; }
  __device__ const float* from(int column) const { return at + column; }
  __device__ void put(const Sums<float>& tile) {
#pragma unroll
    for (int r = 0; r < kMicro<float>; ++r) {
      Quad<float> row;
#pragma unroll
      for (int c = 0; c < kMicro<float>; ++c) row.v[c] = tile[r][c];
      *reinterpret_cast<Quad<float>*>(at + (first_row<float>() + r) * kPitch + first_column<float>()) = row;
    }
  }
};

template <>
struct ChunkSums<float> {
  static constexpr int kBlocks = kChunk<float> / 2 / kFragment;
  Block block[kBlocks];

  __device__ void clear() {
#pragma unroll
    for (Block& each : block) wmma::fill_fragment(each, 0.0f);
  }

  // Adds W R for kSlab columns of the weights, starting at `left`, and kSlab rows, starting at `right`.
  __device__ void add(const float* left, const float* right, bool plain) {
    constexpr int kSteps = kSlab / kStep, kPitch = kChunkPitch<float>;
    Split<WeightLeft> w[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      w[step].load(left + warp_row() * Weights<float>::kPitch + step * kStep, Weights<float>::kPitch, plain);
    }
#pragma unroll
    for (int each = 0; each < kBlocks; ++each) {
      SlabSum sum;
      sum.clear();
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        Split<Right> rows;
        rows.load(right + step * kStep * kPitch + warp_column(kChunk<float>) + each * kFragment, kPitch,
                  plain);
        sum.add(w[step], rows, plain);
      }
      sum.into(block[each]);
    }
  }

  // Calls body(row, column, sum) for every sum that this thread holds. All threads of the block must call it.
  template <class Body>
  __device__ void each(Body body) {
    // Loads a fragment from an array of positions, to obtain the position of each of its elements.
    alignas(32) __shared__ float numbers[kFragment * kFragment];
    static_assert(kFragment * kFragment == kThreads);
    numbers[threadIdx.x] = static_cast<float>(threadIdx.x);
    __syncthreads();
    Block indices;
    wmma::load_matrix_sync(indices, numbers, kFragment, wmma::mem_row_major);
    for (int b = 0; b < kBlocks; ++b) {
      for (int i = 0; i < indices.num_elements; ++i) {
        const int at = static_cast<int>(indices.x[i]);
        body(warp_row() + at / kFragment, warp_column(kChunk<float>) + b * kFragment + at % kFragment,
             block[b].x[i]);
      }
    }
  }

  // Writes the sums to row-major memory, the first row and column at `to`.
  __device__ void store(float* to, std::int64_t pitch) const {
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      wmma::store_matrix_sync(to + warp_row() * pitch + warp_column(kChunk<float>) + b * kFragment, block[b],
                              static_cast<unsigned>(pitch), wmma::mem_row_major);
    }
  }
};

}  // namespace
}  // namespace horoball::gpu
