// Shared by the contrastive losses of this backend: loops over blocks and pairs of blocks, and the backward pass.
//
// The backward pass recomputes the logits of every tile, turns them into the weights of its pairs, and multiplies the
// weights by the rows of both blocks. Sums over pairs of blocks have a fixed order (frame/schedule.h).
#pragma once

#include "cpu/contrast/tiles.h"
#include "cpu/frame/call.h"

namespace horoball {
namespace {

// Adds the weighted differences of near pairs to the gradients directly, because they would cancel in the matrix product.
template <class T>
struct NearPairs {
  const BlockRows<T>& x_rows;
  const BlockRows<T>& y_rows;
  T* const* x_gradient;  // null if not wanted
  T* const* y_gradient;  // also null if a block is paired with itself, because (j, i) is then reported too
  std::int64_t depth;

  static void take(void* context, std::int64_t i, std::int64_t j, T weight) {
    const auto& self = *static_cast<const NearPairs*>(context);
    const T *x = self.x_rows.row(i), *y = self.y_rows.row(j);
    if (self.x_gradient != nullptr) {
      T* to = self.x_gradient[i];
      for (std::int64_t k = 0; k < self.depth; ++k) to[k] -= weight * (x[k] - y[k]);
    }
    if (self.y_gradient != nullptr) {
      T* to = self.y_gradient[j];
      for (std::int64_t k = 0; k < self.depth; ++k) to[k] += weight * (x[k] - y[k]);
    }
  }
};

template <class T, class Map>
class ContrastPass {
 protected:
  using V = Vec<T>;
  static constexpr std::int64_t kSide = kBlock<T>;

  ContrastPass(const Run& run, const Logit& logit, const Map& map, std::int64_t depth,
               const ContrastSide<T>& e, const ContrastSide<T>& h)
      : run_(run),
        logit_(logit),
        terms_(terms_of<T>(logit)),
        geometry_(terms_of_geometry(logit.geometry)),
        tied_(tied_radius(logit.c, logit.clip, logit.published)),
        tiles_(map, depth, logit_, terms_, e, h),
        scale_(logit_scale<T>(geometry_, logit.tau_e, logit.tau_h, logit.lambda,
                              logit.tied ? tied_.radius : 1)) {}

  bool wants_gradients() const { return e_.wants(0) || e_.wants(1) || h_.wants(0) || h_.wants(1); }

  void plan(bool backward) { tiles_.plan(run_, backward); }

  void allocate(Arena& arena) {
    lift_ = arena.allocate<double>(map_.count * kSide);
    params_ = arena.allocate<ParamSums>(map_.count);
    completed_ = arena.allocate<std::atomic<std::int64_t>>(map_.count);
    tiles_.allocate(arena);
  }

  // --- blocks, and pairs of blocks ---
  template <class Body>
  void each_block(Body body) {
    for_each(tiles_.workers, map_.count, [&](std::int64_t block, int) { body(block); });
  }

  // Calls body(pair, worker, wait) for every directed pair that the map processes. The code after wait() runs in a
  // fixed order among the pairs of each block.
  template <class Body>
  void each_pair(Body body) {
    const Rounds rounds(completed_, map_.count);
    for_each(tiles_.workers, map_.count * map_.count, [&](std::int64_t task, int worker) {
      const BlockPair pair = symmetric_pair(task, map_.count);
      if (pair.i > pair.j) return;
      const auto wait_for_round = [&] {
        rounds.wait(pair.i, pair.round);
        rounds.wait(pair.j, pair.round);
      };
      if (is_cancelled(run_) || !map_.meets(pair)) {
        wait_for_round();
      } else {
        body(map_.directed(pair), worker, wait_for_round);
      }
      rounds.complete(pair.i, pair.round);
      if (pair.i != pair.j) rounds.complete(pair.j, pair.round);
    });
  }

  void prepare_rows(std::int64_t block) {
    for (std::int64_t i = 0; i < kSide; ++i) lift_[block * kSide + i] = 0;
    params_[block] = {};
    tiles_.prepare(block, scale_.radius);
  }

  PairTile<T> tile_of(const BlockPair& pair, const Prepared<T>& x, const Prepared<T>& y, int worker) const {
    return tiles_.tile_of(pair, x, y, scale_, tiles_.worker[worker]);
  }

  // Computes the gradients, multiplied by `share`. softmax_of(pair, tile, worker) returns the weights of the pairs of a tile.
  template <class SoftmaxOf>
  void backward(double share, double* grad_params, const SoftmaxOf& softmax_of) {
    each_block([&](std::int64_t block) { clear_gradient(block); });
    each_pair([&](const BlockPair& pair, int worker, const auto& wait_for_round) {
      if (grad_params == nullptr && !wants_gradient(pair.i) && !wants_gradient(pair.j))
        return wait_for_round();
      backward_pair(pair, worker, wait_for_round, softmax_of);
    });
    each_block([&](std::int64_t block) { finish_gradient(block, share); });
    if (grad_params == nullptr) return;
    ParamSums sums;
    for (std::int64_t b = 0; b < map_.count; ++b) sums.add(params_[b], 1);
    const ParamFactors factors = param_factors(geometry_, logit_.tau_e, logit_.tau_h, logit_.lambda, share,
                                               logit_.tied ? &tied_ : nullptr);
    gradients_of_params(sums, factors, grad_params);
  }

 private:
  bool wants_gradient(std::int64_t block) const {
    const int group = map_.group(block);
    return e_.wants(group) || h_.wants(group);
  }

  void clear_gradient(std::int64_t block) {
    for (const ContrastSide<T>* side : {&e_, &h_}) {
      if (!side->wants(map_.group(block))) continue;
      const BlockRows<T> rows = tiles_.source(*side, block);
      for (std::int64_t i = 0; i < map_.size(block); ++i) {
        T* to = side->gradient_of(map_.group(block), rows.index(i), depth_);
        for (std::int64_t k = 0; k < depth_; ++k) to[k] = 0;
      }
    }
  }

  // Fills `rows` with pointers to the gradient rows of a block and returns it, or returns null if the gradient is not
  // wanted.
  T* const* gradient_rows(const ContrastSide<T>& side, std::int64_t block, T** rows) const {
    const int group = map_.group(block);
    if (!side.wants(group)) return nullptr;
    const BlockRows<T> from = tiles_.source(side, block);
    if (from.order != nullptr) {
      for (std::int64_t i = 0; i < from.count; ++i) rows[i] = side.gradient_of(group, from.index(i), depth_);
      return rows;
    }
    T* const first = side.gradient_of(group, from.first, depth_);
    for (std::int64_t i = 0; i < from.count; ++i) rows[i] = first + i * from.stride * depth_;
    return rows;
  }

  template <class Wait, class SoftmaxOf>
  void backward_pair(const BlockPair& pair, int number, const Wait& wait_for_round,
                     const SoftmaxOf& softmax_of) {
    const ContrastWorker<T>& worker = tiles_.worker[number];
    if (!tiles_.keeps_tiles) tiles_.fill_tile(pair, worker);
    wait_for_round();
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = tile_of(pair, x, y, number);
    const Softmax<T> softmax = softmax_of(pair, tile, number);
    T *x_rows[kSide], *y_rows[kSide];
    const BlockRows<T> x_source = tiles_.source(h_, pair.i), y_source = tiles_.source(h_, pair.j);
    NearPairs<T> near{x_source, y_source, gradient_rows(h_, pair.i, x_rows),
                      tile.diagonal ? nullptr : gradient_rows(h_, pair.j, y_rows), depth_};
    const ParamSums sums =
        terms_.weigh(tile, softmax, {worker.row_lift, worker.column_lift}, {&near, NearPairs<T>::take});
    params_[pair.i].add(sums, tile.diagonal || map_.is_shared(pair) ? 0.5 : 1);
    if (h_.used && !logit_.tied) add_lifts(pair, worker, tile);
    spread(e_, 0, pair, worker, tile.g);
    spread(h_, 1, pair, worker, tile.s);
  }

  void add_lifts(const BlockPair& pair, const ContrastWorker<T>& worker, const PairTile<T>& tile) {
    double* lift = lift_ + pair.i * kSide;
    for (std::int64_t i = 0; i < tile.rows; ++i) lift[i] += static_cast<double>(worker.row_lift[i]);
    if (tile.diagonal) return;
    lift = lift_ + pair.j * kSide;
    for (std::int64_t j = 0; j < tile.columns; ++j) lift[j] += static_cast<double>(worker.column_lift[j]);
  }

  // Multiplies a tile of weights by the rows of each of its blocks, and adds each product to the gradient of the other block.
  void spread(const ContrastSide<T>& side, int kind, const BlockPair& pair, const ContrastWorker<T>& worker,
              const T* weights) {
    T* rows[kSide];
    const std::int64_t x_size = map_.size(pair.i), y_size = map_.size(pair.j);
    if (gradient_rows(side, pair.i, rows) != nullptr) {
      accumulate<Left::by_row>(weights, y_size, tiles_.right(side, pair.j, worker.rows[kind][1]), rows,
                               x_size, depth_);
    }
    if (pair.i != pair.j && gradient_rows(side, pair.j, rows) != nullptr) {
      accumulate<Left::by_k>(weights, x_size, tiles_.right(side, pair.i, worker.rows[kind][0]), rows, y_size,
                             depth_);
    }
  }

  // Computes the gradients from the sums of weights and of weighted rows.
  void finish_gradient(std::int64_t block, double share) {
    const int group = map_.group(block);
    const BlockRows<T> rows = tiles_.source(h_, block);
    const T e_factor = static_cast<T>(share / logit_.tau_e);
    const T h_factor = static_cast<T>(-share * static_cast<double>(scale_.h_weight));
    for (std::int64_t i = 0; i < rows.count; ++i) {
      const std::int64_t row = rows.index(i);
      if (e_.wants(group)) {
        T* to = e_.gradient_of(group, row, depth_);
        for (std::int64_t k = 0; k < depth_; ++k) to[k] *= e_factor;
      }
      if (!h_.wants(group)) continue;
      T* to = h_.gradient_of(group, row, depth_);
      const T* x = rows.row(i);
      if (logit_.tied) {
        to_tangent(x, to, share);
      } else {
        const T lift = static_cast<T>(lift_[block * kSide + i]);
        for (std::int64_t k = 0; k < depth_; ++k) to[k] = h_factor * (lift * x[k] - to[k]);
        if (terms_.rows == Rows::minkowski) to[0] = -to[0];
      }
    }
  }

  // Replaces a gradient at z with its component orthogonal to z, times `share`.
  void to_tangent(const T* z, T* gradient, double share) const {
    const double along = inner_product(gradient, z, depth_), norm = inner_product(z, z, depth_);
    const double part = norm > 0 ? along / norm : 0;
    for (std::int64_t k = 0; k < depth_; ++k) {
      gradient[k] =
          static_cast<T>(share * (static_cast<double>(gradient[k]) - part * static_cast<double>(z[k])));
    }
  }

  double* lift_ = nullptr;  // coefficient of each sample's own row in its gradient
  ParamSums* params_ = nullptr;
  std::atomic<std::int64_t>* completed_ = nullptr;

 protected:
  const Run& run_;
  const Logit logit_;
  const LogitTable<T> terms_;
  const GeometryTerms geometry_;
  const TiedRadius tied_;
  ContrastTiles<T, Map> tiles_;
  const Map& map_ = tiles_.map;
  const ContrastSide<T>&e_ = tiles_.e, &h_ = tiles_.h;
  const std::int64_t depth_ = tiles_.depth;
  const LogitScale<T> scale_;
};

}  // namespace
}  // namespace horoball
