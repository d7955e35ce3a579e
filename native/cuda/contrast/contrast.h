// The contrastive loss over all ordered pairs of views, forward and backward: one sequence of launches, O(N (D + V)) memory
// for N rows of D dimensions in V views, and no synchronization if every array is in device memory.
#pragma once

#include "cuda/contrast/backward.h"
#include "cuda/contrast/forward.h"

namespace horoball::gpu {
namespace {

// Writes the index of the row in each slot to `index`, and -1 for padding.
__global__ void index_slots(ViewMap map, std::int64_t side, const std::int32_t* order, std::int32_t* index) {
  const std::int64_t slot = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (slot >= map.tiles * side) return;
  const std::int64_t tile = slot / side, view = tile / map.per_view,
                     row_class = tile % map.per_view * side + slot % side;
  const std::int64_t sample = row_class * map.views + view;
  index[slot] = row_class >= map.classes ? -1
                : order == nullptr       ? static_cast<std::int32_t>(sample)
                                         : order[sample];
}

template <class T>
class ContrastCall {
 public:
  ContrastCall(int device, const ContrastArgs& args, const Run& run)
      : args_(args), terms_(terms_of_geometry(static_cast<int>(args.geometry))), call_(device, run) {}

  template <class K>
  Status compute() {
    plan<K>();
    const std::int64_t tiles = k_.map.tiles;
    call_.launch(contrast_forward<K, T>, tiles * k_.map.views * k_.forward_parts, kThreads, k_);
    call_.launch(contrast_finish<T>, tiles, kSide<T>, k_);
    call_.launch(contrast_report<T>, 1, kThreads, k_, call_.template out<double>(args_.loss, 1),
                 call_.template out<ContrastStats>(args_.stats, 1));
    if (backward_) backward<K>();
    return call_.finish();
  }

 private:
  template <class K>
  void plan() {
    const std::int64_t rows = args_.euclidean.rows, depth = args_.euclidean.cols, views = args_.views;
    ViewMap& map = k_.map;
    map = {views, rows / views, ceil_div(rows / views, kSide<T>), 0};
    map.tiles = views * map.per_view;
    const std::int64_t slots = k_.slots();
    k_.c = args_.c;
    const TiedRadius tied = tied_radius(args_.c, args_.clip, args_.guards == Guards::hypmix);
    k_.scale = logit_scale<T>(terms_, args_.tau_e, args_.tau_h, args_.lambda, K::kTied ? tied.radius : 1);
    k_.tied_q =
        static_cast<T>(tied_quantity<typename K::Card>(args_.c, static_cast<double>(k_.scale.radius)));
    const double pairs = static_cast<double>(views * (views - 1));
    const double share = 1 / (static_cast<double>(map.classes) * (args_.mean ? pairs : 1));
    k_.shares = {share, share / args_.tau_e, -share * static_cast<double>(k_.scale.h_weight)};
    k_.wants_stats = args_.stats != nullptr;
    k_.wants_params = args_.grad_params != nullptr;

    e_gradient_ = call_.template out<T>(args_.grad_euclidean.data, rows * depth);
    if (!K::kTied) h_gradient_ = call_.template out<T>(args_.grad_hyperbolic.data, rows * depth);
    backward_ = e_gradient_ != nullptr || h_gradient_ != nullptr || k_.wants_params;

    auto* index = call_.template scratch<std::int32_t>(slots);
    call_.launch(index_slots, ceil_div(slots, kThreads), kThreads, map, std::int64_t{kSide<T>},
                 call_.template in<std::int32_t>(args_.order, rows), index);
    const void* h_data = K::kTied ? args_.euclidean.data : args_.hyperbolic.data;
    if constexpr (K::kGram) {
      k_.e = side(args_.euclidean.data, index, e_gradient_ != nullptr);
      fill_rows(call_, DifferenceCard<Rows::plain>{args_.c}, k_.e);
    }
    if constexpr (K::kSquared) {
      k_.h = side(h_data, index, (K::kTied ? e_gradient_ : h_gradient_) != nullptr);
      fill_rows(call_, typename K::Preparation{args_.c}, k_.h);
    }
    // If the loss reads only one matrix, e and h are the same, because kernels read the shape from e.
    if constexpr (!K::kGram) k_.e = k_.h;
    if constexpr (!K::kSquared) k_.h = k_.e;

    const std::int64_t chunks = k_.e.pitch / kChunk<T>;
    k_.forward_parts = parts_for(call_, map.tiles * views, map.per_view);
    k_.backward_parts = parts_for(call_, map.tiles * chunks, map.tiles);
    const std::int64_t states = slots * views, forward_blocks = map.tiles * views * k_.forward_parts;
    k_.top = call_.template scratch<T>(2 * k_.forward_parts * states);
    k_.total = k_.top + k_.forward_parts * states;
    k_.first = call_.template scratch<std::int32_t>(k_.forward_parts * states);
    k_.positive = call_.template scratch<T>(2 * states);
    k_.reference = k_.positive + states;
    k_.least = call_.template scratch<double>(2 * forward_blocks);
    k_.sum = k_.least + forward_blocks;
    k_.loss = call_.template scratch<double>(map.tiles * (2 + views));
    k_.hits = k_.loss + map.tiles;
    k_.most = k_.hits + map.tiles;
  }

  Packed<T> side(const void* data, const std::int32_t* index, bool lines) {
    const std::int64_t rows = args_.euclidean.rows, depth = args_.euclidean.cols;
    Packed<T> packed =
        allocate_rows(call_, call_.template in<T>(data, rows * depth), rows, depth, k_.slots(), lines);
    packed.index = index;
    return packed;
  }

  template <class K>
  void backward() {
    const std::int64_t slots = k_.slots(), parts = k_.backward_parts, tiles = k_.map.tiles;
    const bool gradients = e_gradient_ != nullptr || h_gradient_ != nullptr;
    // Gradients of the parameters alone need only one chunk.
    const std::int64_t chunks = gradients ? k_.e.pitch / kChunk<T> : 1;
    if (e_gradient_ != nullptr) k_.e_sums = call_.template scratch<T>(parts * slots * k_.e.pitch);
    if (h_gradient_ != nullptr) k_.h_sums = call_.template scratch<T>(parts * slots * k_.h.pitch);
    k_.lift = call_.template scratch<double>(parts * slots);
    k_.params = call_.template scratch<ParamSums>(tiles * parts);
    call_.launch(contrast_backward<K, T>, tiles * chunks * parts, kThreads, k_, chunks);
    if (gradients) {
      call_.launch(contrast_gradient<K, T>, ceil_div(slots * 32, kThreads), kThreads, k_, e_gradient_,
                   h_gradient_);
    }
    if (k_.wants_params) {
      call_.launch(contrast_params<T>, 1, kThreads, k_, factors<K>(),
                   call_.template out<double>(args_.grad_params, kLogitNumbers));
    }
  }

  template <class K>
  ParamFactors factors() const {
    const TiedRadius tied = tied_radius(args_.c, args_.clip, args_.guards == Guards::hypmix);
    return param_factors(terms_, args_.tau_e, args_.tau_h, args_.lambda, k_.shares.term,
                         K::kTied ? &tied : nullptr);
  }

  const ContrastArgs& args_;
  const GeometryTerms terms_;
  Call call_;
  Contrast<T> k_{};
  T *e_gradient_ = nullptr, *h_gradient_ = nullptr;
  bool backward_ = false;
};

template <class T>
Status contrast_of(int device, const ContrastArgs& args, const Run& run) {
  ContrastCall<T> call(device, args, run);
  return with_pairs(static_cast<int>(args.geometry), args.guards == Guards::hypmix, args.tied,
                    [&]<class K>() { return call.template compute<K>(); });
}

}  // namespace
}  // namespace horoball::gpu
