// The class of the loss and its forward pass. A block of pairs is computed once and serves both its rows and its
// columns. See plan.h for the blocks and frame/schedule.h for the order of the sums.
#pragma once

#include "cpu/contrast/memory.h"
#include "cpu/frame/call.h"

namespace horoball {
namespace {

template <class T>
class Contrast {
 public:
  Contrast(const ContrastArgs& args, const Run& run)
      : args_(args),
        run_(run),
        terms_(terms_of<T>(args)),
        geometry_(terms_of_geometry(static_cast<int>(args.geometry))),
        map_(divide_blocks<T>(args.euclidean.rows, args.views)),
        depth_(args.euclidean.cols),
        pitch_(round_up(args.euclidean.cols, Vec<T>::kLanes)),
        memory_(map_, depth_, pitch_) {
    e_.data = static_cast<const T*>(args.euclidean.data);
    h_.data = static_cast<const T*>(args.tied ? args.euclidean.data : args.hyperbolic.data);
    e_.gradient = args.tied ? nullptr : static_cast<T*>(args.grad_euclidean.data);
    h_.gradient = static_cast<T*>(args.tied ? args.grad_euclidean.data : args.grad_hyperbolic.data);
    e_.used = terms_.gram;
    h_.used = terms_.squared;
    const TiedRadius tied = tied_radius(args.c, args.clip, args.guards == Guards::hypmix);
    const double radius = args.tied ? tied.radius : 1;
    scale_ = {static_cast<T>(1 / args.tau_e),
              static_cast<T>(geometry_.distance_weight(args.lambda, args.tau_h)),
              static_cast<T>(radius * radius), static_cast<T>(radius), static_cast<T>(HUGE_VAL)};
    if (scale_.h_weight == 0) scale_.infinite = kFarthest<T>;
    backward_ = e_.gradient != nullptr || h_.gradient != nullptr || args.grad_params != nullptr;
  }

  Status compute() {
    memory_.plan(run_, args_.euclidean.rows, tile_kinds(), e_.used, h_.used, backward_);
    return with_scratch(
        run_, [&](Arena& arena) { memory_.allocate(arena, e_, h_); },
        [&] {
          prepare();
          forward();
          finish_forward();
          if (backward_) backward();
        });
  }

 private:
  using V = Vec<T>;
  static constexpr std::int64_t kSide = kBlock<T>;
  static constexpr std::int64_t kTile = kSide * kSide;

  // Tiles that are kept per pair of blocks.
  int tile_kinds() const { return (e_.used ? 1 : 0) + (h_.used ? 1 : 0); }

  // --- rows ---
  BlockRows<T> source(const ContrastSide<T>& side, std::int64_t block) const {
    return {side.data, depth_, args_.order, map_, block};
  }

  void prepare() {
    for_each(memory_.workers, map_.count, [&](std::int64_t block, int) {
      clear_state(block);
      prepare_side(e_, block);
      prepare_side(h_, block);
    });
  }

  void clear_state(std::int64_t block) {
    for (std::int64_t view = 0; view < map_.views; ++view) {
      const std::int64_t place = (view * map_.count + block) * kSide;
      for (std::int64_t i = 0; i < kSide; ++i) {
        memory_.state.top[place + i] = static_cast<T>(kNone);
        memory_.state.total[place + i] = 0;
        memory_.state.first[place + i] = Bits<T>::kHuge;
        memory_.state.positive[place + i] = 0;
      }
      memory_.stats[block * map_.views + view] = {HUGE_VAL, 0, -HUGE_VAL, 0};
    }
    for (std::int64_t i = 0; i < kSide; ++i) memory_.lift[block * kSide + i] = 0;
    memory_.sums[block] = {};
  }

  void prepare_side(ContrastSide<T>& side, std::int64_t block) {
    if (!side.used) return;
    const Prepared<T> numbers = of_block(side, block);
    const BlockRows<T> rows = source(side, block);
    for (std::int64_t i = 0; i < kSide; i += kTileCols<T>) {
      terms_.prepare(args_.c, rows, i, numbers);
      if (memory_.keeps_rows)
        pack_panel(rows, i, static_cast<const double*>(nullptr), depth_, numbers.panels + i * depth_);
    }
    if (memory_.keeps_rows)
      copy_rows(rows, 0, kSide, static_cast<const double*>(nullptr), depth_,
                side.rows + block * kSide * pitch_, pitch_);
    if (!args_.tied) return;
    const T q = static_cast<T>(terms_.tied_quantity(args_.c, scale_.radius));
    for (std::int64_t i = 0; i < kSide; ++i) numbers.q[i] = q;
  }

  Prepared<T> of_block(const ContrastSide<T>& side, std::int64_t block) const {
    Prepared<T> p = side.numbers;
    const std::int64_t place = block * kSide;
    if (p.panels != nullptr) p.panels += place * depth_;
    p.n += place;
    p.q += place;
    p.size += place;
    p.scale += place;
    return p;
  }

  // A block prepared for the product: the kept one, or one packed into the worker's slot.
  Prepared<T> packed(const ContrastSide<T>& side, std::int64_t block, T* slot) const {
    Prepared<T> p = of_block(side, block);
    if (memory_.keeps_rows) return p;
    p.panels = slot;
    const BlockRows<T> rows = source(side, block);
    for (std::int64_t i = 0; i < map_.size(block); i += kTileCols<T>) {
      pack_panel(rows, i, static_cast<const double*>(nullptr), depth_, slot + i * depth_);
    }
    return p;
  }

  RightSide<T> right(const ContrastSide<T>& side, std::int64_t block, T* slot) const {
    if (memory_.keeps_rows) return {side.rows + block * kSide * pitch_, pitch_};
    copy_rows(source(side, block), 0, map_.size(block), static_cast<const double*>(nullptr), depth_, slot,
              pitch_);
    return {slot, pitch_};
  }

  // --- tiles ---
  struct Block {
    Prepared<T> x, y;  // the side from which s is computed
    PairTile<T> tile;
  };

  std::int64_t tile_index(const BlockPair& pair) const { return pair.j * (pair.j + 1) / 2 + pair.i; }
  T* kept_tile(const BlockPair& pair, int kind) const {
    return memory_.tiles + (tile_index(pair) * tile_kinds() + kind) * kTile;
  }
  T* tile_g(const BlockPair& pair, const ContrastWorker<T>& worker) const {
    return memory_.keeps_tiles && e_.used ? kept_tile(pair, 0) : worker.g;
  }
  T* tile_s(const BlockPair& pair, const ContrastWorker<T>& worker) const {
    return memory_.keeps_tiles && h_.used ? kept_tile(pair, e_.used ? 1 : 0) : worker.s;
  }

  PairTile<T> tile_of(const BlockPair& pair, const Prepared<T>& x, const Prepared<T>& y,
                      const ContrastWorker<T>& worker) const {
    return {x,
            y,
            scale_,
            args_.c,
            tile_g(pair, worker),
            tile_s(pair, worker),
            map_.size(pair.i),
            map_.size(pair.j),
            pair.i == pair.j};
  }

  void fill_tile(const BlockPair& pair, const ContrastWorker<T>& worker) const {
    if (e_.used) {
      inner_products(packed(e_, pair.i, worker.panels[0][0]), packed(e_, pair.j, worker.panels[0][1]), pair,
                     tile_g(pair, worker));
    }
    if (h_.used) {
      differences(packed(h_, pair.i, worker.panels[1][0]), packed(h_, pair.j, worker.panels[1][1]), pair,
                  tile_s(pair, worker));
    }
  }

  template <class Body>
  void each_register_tile(const BlockPair& pair, Body body) const {
    const std::int64_t rows = map_.size(pair.i), columns = map_.size(pair.j);
    for (std::int64_t j = 0; j < columns; j += kTileCols<T>) {
      with_vectors(static_cast<int>(ceil_div(columns - j, V::kLanes)), [&]<int kVectors>() {
        for (std::int64_t i = 0; i < rows; i += kTileRows) body.template operator()<kVectors>(i, j);
      });
    }
  }

  void inner_products(const Prepared<T>& x, const Prepared<T>& y, const BlockPair& pair, T* tile) const {
    constexpr int kCols = kTileCols<T>;
    each_register_tile(pair, [&]<int kVectors>(std::int64_t i, std::int64_t j) {
      const T* left = x.panel(i / kCols) + i % kCols;
      const Sums<T, kVectors> g =
          product<kVectors, Left::by_k>(left, kCols, y.panel(j / kCols), kCols, depth_);
      unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
        unrolled<kVectors>(
            [&](auto v) HOROBALL_LAMBDA { g.row[r][v].store(tile + (i + r) * kSide + j + v * V::kLanes); });
      });
    });
  }

  void differences(const Prepared<T>& x, const Prepared<T>& y, const BlockPair& pair, T* tile) const {
    if (terms_.rows == Rows::minkowski) {
      differences_of<Rows::minkowski>(x, y, pair, tile);
    } else {
      differences_of<Rows::plain>(x, y, pair, tile);
    }
  }

  template <Rows kRows>
  void differences_of(const Prepared<T>& x, const Prepared<T>& y, const BlockPair& pair, T* tile) const {
    using Card = DifferenceCard<kRows>;
    const BlockRows<T> x_rows = source(h_, pair.i), y_rows = source(h_, pair.j);
    const Card card{args_.c};
    const Sides<Card, T, BlockRows<T>> sides{card, x_rows, y_rows, x, y, pair.i == pair.j};
    each_register_tile(pair, [&]<int kVectors>(std::int64_t i, std::int64_t j) {
      squared_differences<kVectors>(sides, i, j, tile + i * kSide + j, kSide);
    });
  }

  // --- pairs of blocks, in order ---
  template <class Body>
  void each_pair(Body body) {
    const Rounds rounds(memory_.completed, map_.count);
    for_each(memory_.workers, map_.count * map_.count, [&](std::int64_t task, int worker) {
      const BlockPair pair = symmetric_pair(task, map_.count);
      if (pair.i > pair.j) return;
      const auto wait_for_round = [&] {
        rounds.wait(pair.i, pair.round);
        rounds.wait(pair.j, pair.round);
      };
      if (is_cancelled(run_)) {
        wait_for_round();
      } else {
        body(pair, memory_.worker[worker], wait_for_round);
      }
      rounds.complete(pair.i, pair.round);
      if (pair.i != pair.j) rounds.complete(pair.j, pair.round);
    });
  }

  std::int64_t place(std::int64_t view, std::int64_t block) const {
    return (view * map_.count + block) * kSide;
  }

  // Whether the pairs on the diagonal are positive.
  bool has_positives(const BlockPair& pair) const {
    return map_.view(pair.i) != map_.view(pair.j) && map_.first_class(pair.i) == map_.first_class(pair.j);
  }

  void forward() {
    each_pair([&](const BlockPair& pair, const ContrastWorker<T>& worker, const auto& wait_for_round) {
      fill_tile(pair, worker);
      const Prepared<T> x = of_block(h_, pair.i), y = of_block(h_, pair.j);
      const PairTile<T> tile = tile_of(pair, x, y, worker);
      terms_.logits(tile, worker.logits);
      const bool cross_view = map_.view(pair.i) != map_.view(pair.j);
      TileStats stats{};
      if (cross_view && args_.stats != nullptr) stats = stats_of(worker.logits, tile.rows, tile.columns);
      const bool positives = has_positives(pair);
      if (positives) store_positives(pair, worker.logits);
      mask_logits(worker.logits, tile.rows, tile.columns, tile.diagonal || positives);
      find_largest(worker.logits, tile.rows, tile.columns, *worker.down, *worker.across);
      add_tile(worker.logits, tile.rows, tile.columns, map_.first_class(pair.i), map_.first_class(pair.j),
               *worker.down, *worker.across, *worker.halves);
      wait_for_round();
      if (cross_view) add_stats(pair, stats);
      merge(*worker.down, tile.rows, memory_.state, place(map_.view(pair.j), pair.i));
      if (!tile.diagonal)
        merge(*worker.across, tile.columns, memory_.state, place(map_.view(pair.i), pair.j));
    });
  }

  void add_stats(const BlockPair& pair, const TileStats& stats) {
    ContrastStats& recorded = memory_.stats[pair.i * map_.views + map_.view(pair.j)];
    if (stats.least < recorded.min) recorded.min = stats.least;
    recorded.mean += stats.sum;
  }

  void store_positives(const BlockPair& pair, const T* logits) {
    T* of_rows = memory_.state.positive + place(map_.view(pair.j), pair.i);
    T* of_columns = memory_.state.positive + place(map_.view(pair.i), pair.j);
    for (std::int64_t i = 0; i < map_.size(pair.i); ++i) of_rows[i] = of_columns[i] = logits[i * kSide + i];
  }

  double term_weight() const;
  void finish_forward();
  void finish_block(std::int64_t block);
  void report_stats();
  void backward();
  void backward_pair(const BlockPair& pair, const ContrastWorker<T>& worker);
  void spread(const ContrastSide<T>& side, int kind, const BlockPair& pair, const ContrastWorker<T>& worker,
              const T* weights);
  void clear_gradient(const ContrastSide<T>& side, std::int64_t block);
  void add_lifts(const BlockPair& pair, const ContrastWorker<T>& worker, const PairTile<T>& tile);
  void to_tangent(const T* z, T* gradient) const;
  void gradient_rows(const ContrastSide<T>& side, std::int64_t block, T** rows) const;
  void finish_gradient(std::int64_t block);
  void report_params();

  const ContrastArgs& args_;
  const Run& run_;
  const Terms<T> terms_;
  const GeometryTerms geometry_;
  const BlockMap map_;
  const std::int64_t depth_, pitch_;
  LogitScale<T> scale_{};
  ContrastSide<T> e_, h_;
  ContrastMemory<T> memory_;
  bool backward_ = false;
};

}  // namespace
}  // namespace horoball
