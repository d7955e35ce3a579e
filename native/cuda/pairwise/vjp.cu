// Gradients of sum(cotangent * distance): dX_i = (sum_j W_ij + cotangent_ij lift_ij) x_i - (W Y)_i with weights
// W = cotangent * pull, where pull and lift are those of Slope (ops/metric_card.h). The same kernel with the cotangent
// transposed computes the gradient of Y.
#include "cuda/families.h"
#include "cuda/pairwise/differences.h"
#include "cuda/pairwise/near.h"

namespace horoball::gpu {
namespace {

// One side of the gradient: its rows and their partners.
template <class T>
struct VjpSide {
  Packed<T> x, y;
  bool same, transposed;  // transposed: the cotangent is [partner][row]
  const T* cotangent;
  std::int64_t parts;
  T* sums;            // [part][slot][pitch]
  double* lift;       // [part][slot]
  double* curvature;  // [block of chunk 0], or null

  __device__ T weight(std::int64_t i, std::int64_t j) const {
    if (i >= x.count || j >= y.count) return 0;
    return transposed ? cotangent[j * x.count + i] : cotangent[i * y.count + j];
  }
};

// Computes the weights of a row tile with one part of the partner tiles, and adds up their products with one chunk of
// columns of the partners. blockIdx.x enumerates [row tile][chunk][part], the part fastest.
template <class Card, class T>
__global__ void __launch_bounds__(kThreads)
    vjp_tile(Card card, const __grid_constant__ VjpSide<T> side, std::int64_t chunks) {
  __shared__ Slabs<T> slabs;
  __shared__ Weights<T> weights;
  __shared__ double across[kThreads / 32];
  const Packed<T>&x = side.x, &y = side.y;
  const std::int64_t part = blockIdx.x % side.parts, chunk = blockIdx.x / side.parts % chunks,
                     x_tile = blockIdx.x / side.parts / chunks, y_tiles = y.slots / kSide<T>;
  ChunkSums<T> sums;
  sums.clear();
  double lift[kMicro<T>] = {}, bend = 0;
  const std::int64_t last = y_tiles * (part + 1) / side.parts;
  for (std::int64_t y_tile = y_tiles * part / side.parts; y_tile < last; ++y_tile) {
    Sums<T> s, near;
    squared_differences<Card>(slabs, x, x_tile, y, y_tile, side.same, s);
    bool any_near = false;
    T tile_bend = 0;
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
      T row_lift = 0;
#pragma unroll
      for (int c = 0; c < kMicro<T>; ++c) {
        const std::int64_t i = x_tile * kSide<T> + first_row<T>() + r,
                           j = y_tile * kSide<T> + first_column<T>() + c;
        const T w = side.weight(i, j);
        // A pair at infinite distance has no gradient: it is treated as coincident.
        const T given = s[r][c], squared = given < -kOutside<T> ? given : T(0);
        const Slope<T> slope = card.slope(squared, x.q[i], y.q[j]);
        const T weight = w * slope.pull;
        const bool is_near = nearness<Card>(squared, x, i, y, j) < 0;
        const T far = is_near ? T(0) : weight;
        near[r][c] = is_near ? weight : T(0);
        any_near = any_near || near[r][c] != 0;
        s[r][c] = far;
        row_lift += fma(w, slope.lift_x, far);
        if (side.curvature != nullptr) {
          const T d = card.distance(squared, x.q[i], y.q[j]);
          tile_bend = fma(w, card.by_curvature(d, squared, x.q[i], y.q[j], x.n[i], y.n[j]), tile_bend);
        }
      }
      lift[r] += static_cast<double>(row_lift);
    }
    bend += static_cast<double>(tile_bend);
    if (side.sums == nullptr) continue;
    put_weights(weights, s);
    spread(slabs, weights, y.lines + y_tile * kSide<T> * y.pitch + chunk * kChunk<T>, y.pitch, y.plain, sums);
    if (!__syncthreads_or(any_near)) continue;
    put_weights(weights, near);
    subtract_near(weights, x, x_tile, y, y_tile, chunk, sums);
  }
  if (side.sums != nullptr) {
    store_chunk(sums, side.sums + part * x.slots * x.pitch, x.pitch, x_tile, chunk);
  }
  if (chunk != 0) return;
#pragma unroll
  for (int r = 0; r < kMicro<T>; ++r) {
    const double total = across_row(lift[r]);
    if (first_column<T>() == 0) side.lift[part * x.slots + x_tile * kSide<T> + first_row<T>() + r] = total;
  }
  if (side.curvature == nullptr) return;
  const double total = across_block(bend, across);
  if (threadIdx.x == 0) side.curvature[x_tile * side.parts + part] = total;
}

// Computes the gradient of each row from its sums of all parts, one warp per row.
template <class Card, class T>
__global__ void vjp_finish(const __grid_constant__ VjpSide<T> side, T* gradient) {
  const Packed<T>& x = side.x;
  const std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (i >= x.count) return;
  const T* row = x.data + i * x.depth;
  const auto sum_at = [&](std::int64_t k) {
    double total = 0;
    for (std::int64_t part = 0; part < side.parts; ++part) {
      total += static_cast<double>(side.sums[(part * x.slots + i) * x.pitch + k]);
    }
    return total;
  };
  if constexpr (Card::kRows == Rows::unit) {
    // The chain rule through x/|x|: the part orthogonal to x, divided by |x|.
    const double scale = x.scale[i];
    double along = 0;
    for (std::int64_t k = lane; k < x.depth; k += 32)
      along += sum_at(k) * scale * static_cast<double>(row[k]);
    along = across_warp(along);
    for (std::int64_t k = lane; k < x.depth; k += 32) {
      gradient[i * x.depth + k] =
          static_cast<T>(scale * (along * scale * static_cast<double>(row[k]) - sum_at(k)));
    }
  } else {
    double lift = 0;
    for (std::int64_t part = 0; part < side.parts; ++part) lift += side.lift[part * x.slots + i];
    for (std::int64_t k = lane; k < x.depth; k += 32) {
      const T value = static_cast<T>(lift * static_cast<double>(row[k]) - sum_at(k));
      gradient[i * x.depth + k] = Card::kRows == Rows::minkowski && k == 0 ? -value : value;
    }
  }
}

__global__ void add_up(const double* terms, std::int64_t count, double* total) {
  __shared__ double across[kThreads / 32];
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += terms[i];
  sum = across_block(sum, across);
  if (threadIdx.x == 0) *total = sum;
}

template <class Card, class T>
class VjpCall {
 public:
  VjpCall(int device, const PairwiseVjpArgs& args, const Run& run)
      : args_(args), call_(device, run), card_{args.c} {}

  Status compute() {
    const std::int64_t n = args_.x.rows, m = args_.y.rows, depth = args_.x.cols;
    const bool same = args_.x.data == args_.y.data && n == m;
    T* grad_x = call_.template out<T>(args_.grad_x.data, n * depth);
    T* grad_y = call_.template out<T>(args_.grad_y.data, m * depth);
    const T* cotangent = call_.template in<T>(args_.cotangent.data, n * m);
    const T* x_data = call_.template in<T>(args_.x.data, n * depth);
    const T* y_data = same ? x_data : call_.template in<T>(args_.y.data, m * depth);
    const bool lines = grad_x != nullptr || grad_y != nullptr;
    const Packed<T> x = prepare_rows(call_, card_, x_data, n, depth, lines);
    const Packed<T> y = same ? x : prepare_rows(call_, card_, y_data, m, depth, lines);
    if (grad_x != nullptr || args_.grad_c != nullptr) {
      go({x, y, same, false, cotangent, 1, nullptr, nullptr, nullptr}, grad_x,
         call_.template out<double>(args_.grad_c, 1));
    }
    if (grad_y != nullptr) go({y, x, same, true, cotangent, 1, nullptr, nullptr, nullptr}, grad_y, nullptr);
    return call_.finish();
  }

 private:
  void go(VjpSide<T> side, T* gradient, double* grad_c) {
    const std::int64_t tiles = side.x.slots / kSide<T>,
                       chunks = gradient != nullptr ? side.x.pitch / kChunk<T> : 1;
    if (tiles == 0) {
      call_.clear(grad_c, 1);
      return;
    }
    side.parts = parts_for(call_, tiles * chunks, side.y.slots / kSide<T>);
    if (gradient != nullptr) side.sums = call_.template scratch<T>(side.parts * side.x.slots * side.x.pitch);
    side.lift = call_.template scratch<double>(side.parts * side.x.slots);
    if (grad_c != nullptr) side.curvature = call_.template scratch<double>(tiles * side.parts);
    call_.launch(vjp_tile<Card, T>, tiles * chunks * side.parts, kThreads, card_, side, chunks);
    if (gradient != nullptr) {
      call_.launch(vjp_finish<Card, T>, ceil_div(side.x.count * 32, kThreads), kThreads, side, gradient);
    }
    if (grad_c != nullptr) call_.launch(add_up, 1, kThreads, side.curvature, tiles * side.parts, grad_c);
  }

  const PairwiseVjpArgs& args_;
  Call call_;
  Card card_;
};

}  // namespace

Status pairwise_vjp(int device, const PairwiseVjpArgs& args, const Run& run) {
  return with_card(args,
                   [&]<class Card, class T>() { return VjpCall<Card, T>(device, args, run).compute(); });
}

}  // namespace horoball::gpu
