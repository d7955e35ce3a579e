// The backward pass: recomputes the logits of every tile, turns them into the softmax weights of its pairs,
// and multiplies the weights by the rows of both sides.
#pragma once

#include "cpu/contrast/forward.h"

namespace horoball {
namespace {

// Adds weight (x_i - x_j) directly, because it would cancel in the product.
template <class T>
struct NearPairs {
  const BlockRows<T>& x_rows;
  const BlockRows<T>& y_rows;
  T* const* x_gradient;
  T* const* y_gradient;  // null if a block is paired with itself: then (j, i) is reported too
  std::int64_t depth;

  static void take(void* context, std::int64_t i, std::int64_t j, T weight) {
    const auto& self = *static_cast<const NearPairs*>(context);
    const T *x = self.x_rows.row(i), *y = self.y_rows.row(j);
    T* to = self.x_gradient[i];
    for (std::int64_t k = 0; k < self.depth; ++k) to[k] -= weight * (x[k] - y[k]);
    if (self.y_gradient == nullptr) return;
    to = self.y_gradient[j];
    for (std::int64_t k = 0; k < self.depth; ++k) to[k] += weight * (x[k] - y[k]);
  }
  static void ignore(void*, std::int64_t, std::int64_t, T) {}
};

template <class T>
void Contrast<T>::backward() {
  for_each(memory_.workers, map_.count, [&](std::int64_t block, int) {
    clear_gradient(e_, block);
    clear_gradient(h_, block);
  });
  each_pair([&](const BlockPair& pair, const ContrastWorker<T>& worker, const auto& wait_for_round) {
    if (!memory_.keeps_tiles) fill_tile(pair, worker);
    wait_for_round();
    backward_pair(pair, worker);
  });
  for_each(memory_.workers, map_.count, [&](std::int64_t block, int) { finish_gradient(block); });
  if (args_.grad_params != nullptr) report_params();
}

template <class T>
void Contrast<T>::clear_gradient(const ContrastSide<T>& side, std::int64_t block) {
  if (side.gradient == nullptr) return;
  const BlockRows<T> rows = source(side, block);
  for (std::int64_t i = 0; i < map_.size(block); ++i) {
    T* to = side.gradient + rows.index(i) * depth_;
    for (std::int64_t k = 0; k < depth_; ++k) to[k] = 0;
  }
}

template <class T>
void Contrast<T>::gradient_rows(const ContrastSide<T>& side, std::int64_t block, T** rows) const {
  const BlockRows<T> from = source(side, block);
  for (std::int64_t i = 0; i < map_.size(block); ++i) rows[i] = side.gradient + from.index(i) * depth_;
}

template <class T>
void Contrast<T>::backward_pair(const BlockPair& pair, const ContrastWorker<T>& worker) {
  const Prepared<T> x = of_block(h_, pair.i), y = of_block(h_, pair.j);
  const PairTile<T> tile = tile_of(pair, x, y, worker);
  const std::int64_t x_view = map_.view(pair.i), y_view = map_.view(pair.j);
  const std::int64_t row_place = place(y_view, pair.i), column_place = place(x_view, pair.j);
  const Softmax<T> softmax{memory_.state.top + row_place,
                           memory_.state.top + column_place,
                           memory_.state.positive + row_place,
                           memory_.state.positive + column_place,
                           *worker.halves,
                           has_positives(pair)};
  worker.halves->set(softmax.row_log, tile.rows, softmax.column_log, tile.columns);
  T *x_gradient[kSide], *y_gradient[kSide];
  const BlockRows<T> x_rows = source(h_, pair.i), y_rows = source(h_, pair.j);
  NearPairs<T> near{x_rows, y_rows, x_gradient, tile.diagonal ? nullptr : y_gradient, depth_};
  NearSink<T> sink{&near, NearPairs<T>::ignore};
  if (h_.used && h_.gradient != nullptr) {
    gradient_rows(h_, pair.i, x_gradient);
    gradient_rows(h_, pair.j, y_gradient);
    sink.take = NearPairs<T>::take;
  }
  const ParamSums sums = terms_.weigh(tile, softmax, {worker.row_lift, worker.column_lift}, sink);
  memory_.sums[pair.i].params.add(sums, tile.diagonal ? 0.5 : 1);
  if (h_.used && !args_.tied) add_lifts(pair, worker, tile);
  spread(e_, 0, pair, worker, tile.g);
  spread(h_, 1, pair, worker, tile.s);
}

template <class T>
void Contrast<T>::add_lifts(const BlockPair& pair, const ContrastWorker<T>& worker, const PairTile<T>& tile) {
  double* lift = memory_.lift + pair.i * kSide;
  for (std::int64_t i = 0; i < tile.rows; ++i) lift[i] += static_cast<double>(worker.row_lift[i]);
  if (tile.diagonal) return;
  lift = memory_.lift + pair.j * kSide;
  for (std::int64_t j = 0; j < tile.columns; ++j) lift[j] += static_cast<double>(worker.column_lift[j]);
}

// The two products of a tile of weights, added to the gradients of its two blocks.
template <class T>
void Contrast<T>::spread(const ContrastSide<T>& side, int kind, const BlockPair& pair,
                         const ContrastWorker<T>& worker, const T* weights) {
  if (!side.used || side.gradient == nullptr) return;
  T* rows[kSide];
  const std::int64_t x_size = map_.size(pair.i), y_size = map_.size(pair.j);
  gradient_rows(side, pair.i, rows);
  accumulate<Left::by_row>(weights, y_size, right(side, pair.j, worker.rows[kind][1]), rows, x_size, depth_);
  if (pair.i == pair.j) return;
  gradient_rows(side, pair.j, rows);
  accumulate<Left::by_k>(weights, x_size, right(side, pair.i, worker.rows[kind][0]), rows, y_size, depth_);
}

// Computes the gradients from the sums of weights and of weighted rows.
template <class T>
void Contrast<T>::finish_gradient(std::int64_t block) {
  const T e_factor = static_cast<T>(term_weight() / args_.tau_e);
  const T h_factor = static_cast<T>(-term_weight() * static_cast<double>(scale_.h_weight));
  for (std::int64_t i = 0; i < map_.size(block); ++i) {
    const std::int64_t at = source(h_, block).index(i) * depth_;
    if (e_.used && e_.gradient != nullptr) {
      for (std::int64_t k = 0; k < depth_; ++k) e_.gradient[at + k] *= e_factor;
    }
    if (!h_.used || h_.gradient == nullptr) continue;
    T* to = h_.gradient + at;
    const T* x = h_.data + at;
    if (args_.tied) {
      to_tangent(x, to);
    } else {
      const T lift = static_cast<T>(memory_.lift[block * kSide + i]);
      for (std::int64_t k = 0; k < depth_; ++k) to[k] = h_factor * (lift * x[k] - to[k]);
      if (terms_.rows == Rows::minkowski) to[0] = -to[0];
    }
  }
}

// The part of a gradient at z that is orthogonal to z, times the weight of a term.
template <class T>
void Contrast<T>::to_tangent(const T* z, T* gradient) const {
  const double along = inner_product(gradient, z, depth_), norm = inner_product(z, z, depth_);
  const double part = norm > 0 ? along / norm : 0, factor = term_weight();
  for (std::int64_t k = 0; k < depth_; ++k) {
    gradient[k] =
        static_cast<T>(factor * (static_cast<double>(gradient[k]) - part * static_cast<double>(z[k])));
  }
}

template <class T>
void Contrast<T>::report_params() {
  ParamSums sums;
  for (std::int64_t b = 0; b < map_.count; ++b) sums.add(memory_.sums[b].params, 1);
  const double weight = term_weight(), h_weight = geometry_.distance_weight(args_.lambda, args_.tau_h);
  double by_c = sums.curvature;
  if (args_.tied) {
    const TiedRadius tied = tied_radius(args_.c, args_.clip, args_.guards == Guards::hypmix);
    by_c += sums.radius * tied.by_curvature / tied.radius;
  }
  const double tau_e = args_.tau_e, tau_h = args_.tau_h;
  args_.grad_params[0] = geometry_.inner ? -weight * sums.inner / (tau_e * tau_e) : 0;
  args_.grad_params[1] = geometry_.distance ? weight * h_weight * sums.distance / tau_h : 0;
  args_.grad_params[2] = geometry_.weighted ? -weight * sums.distance / tau_h : 0;
  args_.grad_params[3] = geometry_.distance ? -weight * h_weight * by_c : 0;
}

}  // namespace
}  // namespace horoball
