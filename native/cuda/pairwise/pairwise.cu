// Computes every distance between two sets of rows: one block per tile of the product, with the metric applied while the
// tile is in registers. For a set with itself only the upper triangle is computed.
#include "cuda/families.h"
#include "cuda/pairwise/differences.h"

namespace horoball::gpu {
namespace {

// Writes a thread's part of a tile, or of its transpose, at (i, j) of a matrix: 16 bytes at a time if the rows of the matrix
// are aligned to 16 bytes, because the lanes of a warp then fill whole sectors of memory, transposed or not.
template <bool kTransposed, class T>
__device__ void write(T* out, std::int64_t rows, std::int64_t cols, std::int64_t i, std::int64_t j,
                      const Sums<T>& d) {
  constexpr int m = kMicro<T>;
  const auto at = [&](int r, int c) { return kTransposed ? d[c][r] : d[r][c]; };
  const bool aligned = cols % m == 0 && reinterpret_cast<std::uintptr_t>(out) % sizeof(Quad<T>) == 0;
#pragma unroll
  for (int r = 0; r < m; ++r) {
    T* to = out + (i + r) * cols + j;
    if (!aligned) {
#pragma unroll
      for (int c = 0; c < m; ++c) {
        if (i + r < rows && j + c < cols) to[c] = at(r, c);
      }
    } else if (i + r < rows && j < cols) {
      Quad<T> line;
#pragma unroll
      for (int c = 0; c < m; ++c) line.v[c] = at(r, c);
      stream(to, line);
    }
  }
}

template <class Card, class T>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor)
    pairwise_tile(Card card, const __grid_constant__ Packed<T> x, const __grid_constant__ Packed<T> y,
                  bool same, T* out) {
  __shared__ Slabs<T> slabs;
  const std::int64_t across = y.slots / kSide<T>;
  const std::int64_t x_tile = blockIdx.x / across, y_tile = blockIdx.x % across;
  if (same && y_tile < x_tile) return;
  Sums<T> s;
  squared_differences<Card>(slabs, x, x_tile, y, y_tile, same, s);
  const std::int64_t i = x_tile * kSide<T> + first_row<T>(), j = y_tile * kSide<T> + first_column<T>();
  // Includes padding: with a branch that skips it, the compiler would repeat the card's square roots for every pair.
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) s[r][c] = card.distance(s[r][c], x.q[i + r], y.q[j + c]);
  }
  write<false>(out, x.count, y.count, i, j, s);
  if (same && x_tile != y_tile) write<true>(out, y.count, x.count, j, i, s);
}

template <class Card, class T>
Status pairwise_of(int device, const PairwiseArgs& args, const Run& run) {
  Call call(device, run);
  const Card card{args.c};
  const bool same = args.x.data == args.y.data && args.x.rows == args.y.rows;
  const T* x_data = call.in<T>(args.x.data, args.x.rows * args.x.cols);
  const T* y_data = same ? x_data : call.in<T>(args.y.data, args.y.rows * args.y.cols);
  T* out = call.out<T>(args.out.data, args.x.rows * args.y.rows);
  const Packed<T> x = prepare_rows(call, card, x_data, args.x.rows, args.x.cols);
  const Packed<T> y = same ? x : prepare_rows(call, card, y_data, args.y.rows, args.y.cols);
  const std::int64_t tiles = (x.slots / kSide<T>)*(y.slots / kSide<T>);
  call.launch(pairwise_tile<Card, T>, tiles, kThreads, card, x, y, same, out);
  return call.finish();
}

}  // namespace

Status pairwise(int device, const PairwiseArgs& args, const Run& run) {
  return with_card(args, [&]<class Card, class T>() { return pairwise_of<Card, T>(device, args, run); });
}

}  // namespace horoball::gpu
