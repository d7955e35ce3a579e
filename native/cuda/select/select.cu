// The k nearest gallery rows of every query. A block owns a tile of queries and loops over the gallery, or one part of it; one
// thread per query keeps the heap. A distance is computed only if the rank of the pair (ops/metric_card.h) is within the bound
// of the query: a rank is cheaper than a distance and orders rows in the same way.
//
// Distances are bit for bit those of pairwise(). Ties go to the lower index. Rows at infinite distance and rows with
// NaN are never returned.
#include "cuda/families.h"
#include "cuda/pairwise/differences.h"
#include "cuda/pairwise/near.h"
#include "cuda/select/nearest.h"

namespace horoball::gpu {
namespace {

template <class T>
struct Search {
  Packed<T> queries, gallery;
  const std::int32_t* exclude;
  const std::uint8_t* allowed;
  std::int64_t k, parts;
  T* distance;  // [query][k]: the lists of part 0, and then the result
  std::int32_t* index;
  T* spare_distance;  // [part - 1][query][k]: the lists of the other parts
  std::int32_t* spare_index;

  __device__ Nearest<T> list(std::int64_t query, std::int64_t part) const {
    if (part == 0) return {distance + query * k, index + query * k, k};
    const std::int64_t at = ((part - 1) * queries.count + query) * k;
    return {spare_distance + at, spare_index + at, k};
  }
  __device__ bool admits(std::int64_t query, std::int64_t row) const {
    return (exclude == nullptr || exclude[query] != row) && (allowed == nullptr || allowed[row] != 0);
  }
};

// Finds the k nearest rows of one part of the gallery for each query of a tile. blockIdx.x enumerates [query tile][part],
// the part fastest.
template <class Card, class T>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor)
    search_tile(Card card, const __grid_constant__ Search<T> search) {
  // A factor that covers the rounding of rank_at().
  constexpr double kSlack = sizeof(T) == 4 ? 1 + 1e-5 : 1 + 1e-12;
  constexpr int kPitch = kSide<T> + 1;
  __shared__ Slabs<T> slabs;
  __shared__ T bound[kSide<T>], found[kSide<T> * kPitch];
  const Packed<T>&x = search.queries, &y = search.gallery;
  const std::int64_t part = blockIdx.x % search.parts, x_tile = blockIdx.x / search.parts,
                     y_tiles = y.slots / kSide<T>;
  const int mine = static_cast<int>(threadIdx.x);  // the query of the tile that this thread owns
  const std::int64_t query = x_tile * kSide<T> + mine;
  const bool keeps = mine < kSide<T> && query < x.count;
  const Nearest<T> nearest = search.list(keeps ? query : 0, part);
  if (keeps) nearest.clear();
  if (mine < kSide<T>) bound[mine] = static_cast<T>(keeps ? HUGE_VAL : -HUGE_VAL);
  __syncthreads();

  const std::int64_t last = y_tiles * (part + 1) / search.parts;
  for (std::int64_t y_tile = y_tiles * part / search.parts; y_tile < last; ++y_tile) {
    Sums<T> s;
    squared_differences<Card>(slabs, x, x_tile, y, y_tile, false, s);
    bool any = false;
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
      for (int c = 0; c < kMicro<T>; ++c) {
        const int row = first_row<T>() + r, column = first_column<T>() + c;
        const std::int64_t i = x_tile * kSide<T> + row, j = y_tile * kSide<T> + column;
        T d = static_cast<T>(HUGE_VAL);
        // The rank of a near pair is exact. A pair with a point outside the ball has an infinite rank.
        if (j < y.count && card.rank(s[r][c], x.q[i], y.q[j]) < bound[row]) {
          d = card.distance(s[r][c], x.q[i], y.q[j]);
          any = true;
        }
        s[r][c] = d;
      }
    }
    if (!__syncthreads_or(any)) continue;
#pragma unroll
    for (int r = 0; r < kMicro<T>; ++r) {
#pragma unroll
      for (int c = 0; c < kMicro<T>; ++c)
        found[(first_row<T>() + r) * kPitch + first_column<T>() + c] = s[r][c];
    }
    __syncthreads();
    if (keeps) {
      bool changed = false;
      for (int column = 0; column < kSide<T>; ++column) {
        const T d = found[mine * kPitch + column];
        const std::int64_t row = y_tile * kSide<T> + column;
        if (d < static_cast<T>(HUGE_VAL) && search.admits(query, row))
          changed |= nearest.offer(d, static_cast<std::int32_t>(row));
      }
      const double worst = static_cast<double>(nearest.distance[0]);
      if (changed && worst < HUGE_VAL)
        bound[mine] = static_cast<T>(card.rank_at(worst, static_cast<double>(x.q[query])) * kSlack);
    }
    __syncthreads();
  }
}

// Merges the lists of each query and sorts the result, with one thread per query.
template <class T>
__global__ void finish_queries(const __grid_constant__ Search<T> search) {
  const std::int64_t query = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (query >= search.queries.count) return;
  const Nearest<T> all = search.list(query, 0);
  for (std::int64_t part = 1; part < search.parts; ++part) {
    const Nearest<T> more = search.list(query, part);
    for (std::int64_t i = 0; i < search.k; ++i) {
      if (more.index[i] != kNoIndex) all.offer(more.distance[i], more.index[i]);
    }
  }
  all.sort();
}

template <class Card, class T>
Status select_of(int device, const SelectArgs& args, const Run& run) {
  Call call(device, run);
  const Card card{args.c};
  const std::int64_t n = args.queries.rows, m = args.gallery.rows, depth = args.queries.cols;
  Search<T> search{};
  search.k = args.k;
  search.exclude = call.in<std::int32_t>(args.exclude, n);
  search.allowed = call.in<std::uint8_t>(args.allowed, m);
  search.index = call.out<std::int32_t>(args.indices, n * args.k);
  search.distance = call.out<T>(args.distances.data, n * args.k);
  search.queries = prepare_rows(call, card, call.in<T>(args.queries.data, n * depth), n, depth);
  search.gallery = prepare_rows(call, card, call.in<T>(args.gallery.data, m * depth), m, depth);
  const std::int64_t tiles = search.queries.slots / kSide<T>;
  search.parts = parts_for(call, tiles, search.gallery.slots / kSide<T>);
  search.spare_distance = call.scratch<T>((search.parts - 1) * n * args.k);
  search.spare_index = call.scratch<std::int32_t>((search.parts - 1) * n * args.k);
  call.launch(search_tile<Card, T>, tiles * search.parts, kThreads, card, search);
  call.launch(finish_queries<T>, ceil_div(n, kThreads), kThreads, search);
  return call.finish();
}

}  // namespace

Status select(int device, const SelectArgs& args, const Run& run) {
  return with_card(args, [&]<class Card, class T>() { return select_of<Card, T>(device, args, run); });
}

}  // namespace horoball::gpu
