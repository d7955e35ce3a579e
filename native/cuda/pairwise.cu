// Every distance between two sets of rows: a block a tile of the product, with the metric applied while the
// tile is in registers. Of a set with itself only the upper triangle is worked out.
#include "cuda/families.h"
#include "cuda/separate.h"
#include "ops/metrics.h"

namespace horoball::gpu {
namespace {

template <class Card, class T>
__global__ void __launch_bounds__(kThreads, kTogether)
    pairwise_tile(Card card, const __grid_constant__ Packed<T> x, const __grid_constant__ Packed<T> y,
                  bool same, T* out) {
  __shared__ Slabs<T> slabs;
  const std::int64_t across = y.places / kSide<T>;
  const std::int64_t x_tile = blockIdx.x / across, y_tile = blockIdx.x % across;
  if (same && y_tile < x_tile) return;
  Sums<T> s;
  separate<Card>(slabs, x, x_tile, y, y_tile, same, s);
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
    for (int c = 0; c < kMicro<T>; ++c) {
      const std::int64_t i = x_tile * kSide<T> + first_row<T>() + r,
                         j = y_tile * kSide<T> + first_column<T>() + c;
      if (i >= x.count || j >= y.count) continue;
      const T d = card.distance(s[r][c], x.q[i], y.q[j]);
      out[i * y.count + j] = d;
      if (same && x_tile != y_tile) out[j * y.count + i] = d;
    }
  }
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
  const std::int64_t tiles = (x.places / kSide<T>)*(y.places / kSide<T>);
  call.launch(pairwise_tile<Card, T>, tiles, kThreads, card, x, y, same, out);
  return call.finish();
}

}  // namespace

Status pairwise(int device, const PairwiseArgs& args, const Run& run) {
  return with_metric(args.metric, args.guards, [&]<class Card>() {
    return args.type == Type::f32 ? pairwise_of<Card, float>(device, args, run)
                                  : pairwise_of<Card, double>(device, args, run);
  });
}

}  // namespace horoball::gpu
