// Rows prepared for tiles: the per-row values that a metric needs, computed in float64; panels of kSide rows with the
// coordinate outermost, for products over coordinates; and row-major copies, for products of weights with
// rows. All are padded to whole tiles, which therefore need no bounds checks; a slot is a row or padding.
#pragma once

#include "cuda/frame/product.h"
#include "ops/near.h"

namespace horoball::gpu {
namespace {

template <class T>
struct Packed {
  const T* data;                    // as given
  const std::int32_t* index;        // slot -> row, -1 for padding; null: slot i is row i
  std::int64_t count, depth;        // real rows, coordinates
  std::int64_t slots, deep, pitch;  // rounded up to whole tiles, slabs and chunks
  T *panels, *lines;                // lines are null if no gradient is wanted
  T *n, *q, *size;                  // of each row, as in RowValues
  double* scale;
  bool plain;  // products in TF32 without remainders

  __device__ std::int64_t row_at(std::int64_t slot) const {
    if (index != nullptr) return index[slot];
    return slot < count ? slot : -1;
  }
  __device__ const T* row(std::int64_t slot) const {
    const std::int64_t at = row_at(slot);
    return at < 0 ? nullptr : data + at * depth;
  }
  __device__ const T* panel(std::int64_t tile) const { return panels + tile * deep * kSide<T>; }
};

// Returns |x|^2, or |x|^2 - 2 x_0^2 if `minkowski`, summed by a warp. The last digits can differ between its lanes.
template <class T>
__device__ Square warp_square(const T* x, std::int64_t depth, bool minkowski) {
  Square sum;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (std::int64_t k = lane; k < depth; k += 32) {
    const double v = static_cast<double>(x[k]), product = v * v;
    add(sum, product);
    sum.low += fma(v, v, -product);
    if (!minkowski || k > 0) continue;
    for (int twice = 0; twice < 2; ++twice) {
      add(sum, -product);
      sum.low -= fma(v, v, -product);
    }
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double high = __shfl_xor_sync(0xffffffffu, sum.high, step),
                 low = __shfl_xor_sync(0xffffffffu, sum.low, step);
    add(sum, high);
    sum.low += low;
  }
  return sum;
}

// Computes the values of the row in each slot, one warp per slot.
template <class Card, class T>
__global__ void number_rows(Card card, Packed<T> rows) {
  const std::int64_t slot = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (slot >= rows.slots) return;
  const T* row = rows.row(slot);
  const RowValues<T> values =
      row == nullptr
          ? padding_values<T>()
          : row_values(card, row, rows.depth, warp_square(row, rows.depth, Card::kRows == Rows::minkowski));
  if (threadIdx.x % 32 != 0) return;
  rows.n[slot] = values.n;
  rows.q[slot] = values.q;
  rows.size[slot] = values.size;
  rows.scale[slot] = values.scale;
}

template <class T>
__device__ T scaled(const Packed<T>& rows, std::int64_t slot, std::int64_t k) {
  const T* row = k < rows.depth ? rows.row(slot) : nullptr;
  if (row == nullptr) return 0;
  const double scale = rows.scale[slot];
  return scale == 1 ? row[k] : static_cast<T>(scale * static_cast<double>(row[k]));
}

template <class T>
__global__ void pack_panels(Packed<T> rows) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= rows.slots * rows.deep) return;
  const std::int64_t r = at % kSide<T>, k = at / kSide<T> % rows.deep, tile = at / kSide<T> / rows.deep;
  rows.panels[at] = scaled(rows, tile * kSide<T> + r, k);
}

template <class T>
__global__ void pack_lines(Packed<T> rows) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= rows.slots * rows.pitch) return;
  rows.lines[at] = scaled(rows, at / rows.pitch, at % rows.pitch);
}

// Allocates scratch memory for `slots` prepared rows.
template <class T>
Packed<T> allocate_rows(Call& call, const T* data, std::int64_t count, std::int64_t depth, std::int64_t slots,
                        bool lines) {
  Packed<T> rows{};
  rows.data = data;
  rows.count = count;
  rows.depth = depth;
  rows.slots = slots;
  rows.deep = round_up(depth, kSlab);
  rows.pitch = round_up(depth, kChunk<T>);
  rows.panels = call.scratch<T>(rows.slots * rows.deep);
  rows.lines = lines ? call.scratch<T>(rows.slots * rows.pitch) : nullptr;
  rows.n = call.scratch<T>(3 * rows.slots);
  if (rows.n != nullptr) {
    rows.q = rows.n + rows.slots;
    rows.size = rows.q + rows.slots;
  }
  rows.scale = call.scratch<double>(rows.slots);
  rows.plain = call.plain();
  return rows;
}

template <class Card, class T>
void fill_rows(Call& call, Card card, const Packed<T>& rows) {
  call.launch(number_rows<Card, T>, ceil_div(rows.slots * 32, kThreads), kThreads, card, rows);
  call.launch(pack_panels<T>, ceil_div(rows.slots * rows.deep, kThreads), kThreads, rows);
  if (rows.lines != nullptr) {
    call.launch(pack_lines<T>, ceil_div(rows.slots * rows.pitch, kThreads), kThreads, rows);
  }
}

// Prepares a matrix as one side of the pairs.
template <class Card, class T>
Packed<T> prepare_rows(Call& call, Card card, const T* data, std::int64_t count, std::int64_t depth,
                       bool lines = false) {
  const Packed<T> rows = allocate_rows(call, data, count, depth, round_up(count, kSide<T>), lines);
  fill_rows(call, card, rows);
  return rows;
}

}  // namespace
}  // namespace horoball::gpu
