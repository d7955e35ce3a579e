// Gradients of sum(cotangent * distance). Each tile of pairs becomes a tile of weights W = cotangent * pull (Slope in
// ops/metric_card.h defines pull and lift), and the gradient is one more matrix product:
// dX_i = sum_j (W_ij + cotangent_ij lift_ij) x_i - (W Y)_i, and the same for Y. Near pairs would cancel there, so they are
// left out of the product and W (x - y) is added directly.
#pragma once

#include "cpu/frame/schedule.h"
#include "cpu/pairwise/pairwise.h"

namespace horoball {
namespace {

// One side of the pairing: its rows, prepared as factors of the products, and its gradient.
template <class T>
struct VjpSide {
  Rowset<T> rows;
  Prepared<T> prepared{};
  T* right = nullptr;      // the rows again, padded to whole vectors
  double* lift = nullptr;  // coefficient of each row in its own gradient
  T* gradient = nullptr;

  std::int64_t blocks() const { return ceil_div(rows.rows, kBlock<T>); }
  std::int64_t size(std::int64_t block) const { return min(kBlock<T>, rows.rows - block * kBlock<T>); }
};

template <class Card, class T>
class PairwiseVjp {
 public:
  PairwiseVjp(const PairwiseVjpArgs& args, const Run& run)
      : run_(run),
        card_{args.c},
        depth_(args.x.cols),
        pitch_(round_up(args.x.cols, V::kLanes)),
        cotangent_(static_cast<const T*>(args.cotangent.data)),
        grad_c_(args.grad_c),
        same_(args.x.data == args.y.data && args.x.rows == args.y.rows) {
    x_.rows = {static_cast<const T*>(args.x.data), args.x.rows, args.x.cols};
    y_.rows = {static_cast<const T*>(args.y.data), args.y.rows, args.y.cols};
    x_.gradient = static_cast<T*>(args.grad_x.data);
    y_.gradient = static_cast<T*>(args.grad_y.data);
  }

  Status compute() {
    const double pairs = static_cast<double>(x_.rows.rows) * static_cast<double>(y_.rows.rows);
    threads_ = threads_for(run_, pairs * static_cast<double>(3 * depth_ + 64));
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); }, [&] { work(); });
  }

 private:
  using V = Vec<T>;
  static constexpr std::int64_t kSide = kBlock<T>;
  static constexpr int kCols = kTileCols<T>;

  void work() {
    prepare(x_);
    prepare(y_);
    each_pair();
    finish(x_);
    finish(y_);
    if (grad_c_ == nullptr) return;
    *grad_c_ = 0;
    for (std::int64_t b = 0; b < x_.blocks(); ++b) *grad_c_ += curvature_[b];
  }

  void allocate(Arena& arena) {
    for (VjpSide<T>* side : {&x_, &y_}) {
      const std::int64_t padded = side->blocks() * kSide;
      side->prepared = allocate_prepared<T>(arena, padded, depth_);
      side->right = arena.allocate<T>(padded * pitch_);
      side->lift = arena.allocate<double>(padded);
    }
    tiles_ = arena.allocate<T>(threads_ * kSide * kSide);
    curvature_ = arena.allocate<double>(x_.blocks());
    x_rounds_ = arena.allocate<std::atomic<std::int64_t>>(x_.blocks());
    y_rounds_ = arena.allocate<std::atomic<std::int64_t>>(y_.blocks());
  }

  void prepare(VjpSide<T>& side) {
    for_each(threads_, side.blocks(), [&](std::int64_t block, int) {
      const std::int64_t first = block * kSide;
      for (std::int64_t i = first; i < first + kSide; i += kCols)
        prepare_panel(card_, side.rows, i / kCols, side.prepared);
      copy_rows(side.rows, first, kSide, side.prepared.scale + first, depth_, side.right + first * pitch_,
                pitch_);
      for (std::int64_t i = 0; i < kSide; ++i) side.lift[first + i] = 0;
      if (side.gradient == nullptr) return;
      for (std::int64_t k = 0; k < side.size(block) * depth_; ++k) side.gradient[first * depth_ + k] = 0;
    });
  }

  // Processes every pair of a row block and a column block, in the order of frame/schedule.h.
  void each_pair() {
    const std::int64_t rows = x_.blocks(), columns = y_.blocks(), count = rows > columns ? rows : columns;
    const Rounds x_rounds(x_rounds_, rows), y_rounds(y_rounds_, columns);
    for (std::int64_t b = 0; b < rows; ++b) curvature_[b] = 0;
    for_each(threads_, count * count, [&](std::int64_t task, int worker) {
      const BlockPair pair = grid_pair(task, rows, columns);
      const bool real = pair.i < rows && pair.j < columns;
      T* tile = tiles_ + worker * kSide * kSide;
      if (real && !is_cancelled(run_)) fill_tile(pair, tile);
      if (pair.i < rows) x_rounds.wait(pair.i, pair.round);
      if (pair.j < columns) y_rounds.wait(pair.j, pair.round);
      if (real && !is_cancelled(run_)) pull_block(pair, tile);
      if (pair.i < rows) x_rounds.complete(pair.i, pair.round);
      if (pair.j < columns) y_rounds.complete(pair.j, pair.round);
    });
  }

  void fill_tile(const BlockPair& pair, T* tile) const {
    const Sides<Card, T, Rowset<T>> sides{card_, x_.rows, y_.rows, x_.prepared, y_.prepared, same_};
    for (std::int64_t j = 0; j < y_.size(pair.j); j += kCols) {
      with_vectors(static_cast<int>(ceil_div(y_.size(pair.j) - j, V::kLanes)), [&]<int kVectors>() {
        for (std::int64_t i = 0; i < x_.size(pair.i); i += kTileRows) {
          squared_differences<kVectors>(sides, pair.i * kSide + i, pair.j * kSide + j, tile + i * kSide + j,
                                        kSide);
        }
      });
    }
  }

  void pull_block(const BlockPair& pair, T* tile) {
    alignas(kAlignment) T column_lift[kSide] = {};
    const std::int64_t rows = x_.size(pair.i), columns = y_.size(pair.j);
    double curvature = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      V lift(T(0)), by_c(T(0));
      for (std::int64_t j = 0; j < columns; j += V::kLanes) pull(pair, i, j, tile, column_lift, lift, by_c);
      x_.lift[pair.i * kSide + i] += static_cast<double>(sum(lift));
      curvature += static_cast<double>(sum(by_c));
    }
    for (std::int64_t j = 0; j < columns; ++j)
      y_.lift[pair.j * kSide + j] += static_cast<double>(column_lift[j]);
    curvature_[pair.i] += curvature;
    spread<Left::by_row>(x_, pair.i, y_, pair.j, tile);
    spread<Left::by_k>(y_, pair.j, x_, pair.i, tile);
  }

  // Converts a vector of squared differences to weights of the product. Adds the terms of its pairs to the lifts and to `by_c`,
  // and those of near pairs to the gradients.
  void pull(const BlockPair& pair, std::int64_t i, std::int64_t j, T* tile, T* column_lift, V& lift,
            V& by_c) {
    const std::int64_t row = pair.i * kSide + i, column = pair.j * kSide + j;
    const int real = static_cast<int>(min(y_.size(pair.j) - j, V::kLanes));
    const V w = V::load(cotangent_ + row * y_.rows.rows + column, real), zero(T(0));
    // A pair at infinite distance (a point outside the ball) has no gradient: it is treated as coincident.
    const V given = V::load(tile + i * kSide + j), s = where(given < V(-kOutside<T>), given, zero);
    const V qx(x_.prepared.q[row]), qy = V::load(y_.prepared.q + column);
    const V nx(x_.prepared.n[row]), ny = V::load(y_.prepared.n + column);
    const Slope<V> slope = card_.slope(s, qx, qy);
    const V weight = w * slope.pull;
    const auto near = nearness<Card>(s, x_.prepared, row, y_.prepared, column) < zero;
    const V far = where(near, zero, weight);
    far.store(tile + i * kSide + j);
    if (any(near)) add_near(weight, far, row, column, real);
    lift = lift + fma(w, slope.lift_x, far);
    (V::load(column_lift + j) + fma(w, slope.lift_y, far)).store(column_lift + j);
    if (grad_c_ != nullptr)
      by_c = fma(w, card_.by_curvature(card_.distance(s, qx, qy), s, qx, qy, nx, ny), by_c);
  }

  void add_near(V weight, V far, std::int64_t row, std::int64_t column, int real) {
    T weights[V::kLanes], kept[V::kLanes];
    weight.store(weights);
    far.store(kept);
    for (int l = 0; l < real; ++l) {
      if (weights[l] != kept[l]) add_difference(static_cast<double>(weights[l]), row, column + l);
    }
  }

  void add_difference(double weight, std::int64_t i, std::int64_t j) {
    const T *x = x_.rows.row(i), *y = y_.rows.row(j);
    const double a = x_.prepared.scale[i], b = y_.prepared.scale[j];
    for (std::int64_t k = 0; k < depth_; ++k) {
      const T part = static_cast<T>(weight * (a * static_cast<double>(x[k]) - b * static_cast<double>(y[k])));
      if (x_.gradient != nullptr) x_.gradient[i * depth_ + k] -= part;
      if (y_.gradient != nullptr) y_.gradient[j * depth_ + k] += part;
    }
  }

  template <Left kLeft>
  void spread(const VjpSide<T>& to, std::int64_t block, const VjpSide<T>& from, std::int64_t other,
              const T* weights) {
    if (to.gradient == nullptr) return;
    T* rows[kSide];
    for (std::int64_t i = 0; i < to.size(block); ++i) rows[i] = to.gradient + (block * kSide + i) * depth_;
    const RightSide<T> right{from.right + other * kSide * pitch_, pitch_};
    accumulate<kLeft>(weights, from.size(other), right, rows, to.size(block), depth_);
  }

  void finish(VjpSide<T>& side) {
    if (side.gradient == nullptr) return;
    for_each(threads_, side.blocks(), [&](std::int64_t block, int) {
      for (std::int64_t i = block * kSide; i < block * kSide + side.size(block); ++i) finish_row(side, i);
    });
  }

  void finish_row(VjpSide<T>& side, std::int64_t i) {
    const T* x = side.rows.row(i);
    T* g = side.gradient + i * depth_;
    if constexpr (Card::kRows == Rows::unit) {
      // The chain rule through x/|x|: the part orthogonal to x, divided by |x|.
      const double scale = side.prepared.scale[i];
      double along = 0;
      for (std::int64_t k = 0; k < depth_; ++k)
        along += static_cast<double>(g[k]) * scale * static_cast<double>(x[k]);
      for (std::int64_t k = 0; k < depth_; ++k) {
        g[k] =
            static_cast<T>(scale * (along * scale * static_cast<double>(x[k]) - static_cast<double>(g[k])));
      }
    } else {
      const double lift = side.lift[i];
      for (std::int64_t k = 0; k < depth_; ++k) {
        g[k] = static_cast<T>(lift * static_cast<double>(x[k]) - static_cast<double>(g[k]));
      }
      if (Card::kRows == Rows::minkowski && depth_ > 0) g[0] = -g[0];
    }
  }

  const Run& run_;
  Card card_;
  std::int64_t depth_, pitch_;
  const T* cotangent_;
  double* grad_c_;
  bool same_;
  int threads_ = 1;
  VjpSide<T> x_, y_;
  T* tiles_ = nullptr;
  double* curvature_ = nullptr;
  std::atomic<std::int64_t>*x_rounds_ = nullptr, *y_rounds_ = nullptr;
};

Status pairwise_vjp(const PairwiseVjpArgs& args, const Run& run) {
  huge_pages_for(args.grad_x, args.type);
  huge_pages_for(args.grad_y, args.type);
  return with_card(args, [&]<class Card, class T>() { return PairwiseVjp<Card, T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
