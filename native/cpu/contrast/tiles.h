// The rows of a loss and the tiles between two blocks of them: inner products of the unit rows e, and squared differences
// of the points h. Data of size O(N D) (rows packed for the product) or O(N^2) (tiles) is kept if it fits in a fixed
// budget, and otherwise recomputed for each tile.
#pragma once

#include "cpu/contrast/terms.h"
#include "cpu/frame/threads.h"

namespace horoball {
namespace {

// Maximum bytes of packed rows, of tiles that the backward pass reads again, and of all workers (there is always at least
// one). All other scratch memory is linear in N. 28 MiB is enough for the float32 tiles g and s of 2,592 rows (18 blocks).
constexpr std::size_t kPackedBudget = 20u << 20, kTileBudget = 28u << 20, kWorkerBudget = 28u << 20;

// One of the two sets of rows, e or h (or z, which serves as both). `gradient` has one entry per group of the map (plan.h).
// With a GroupMap, `data` also has one entry per group (anchors, references); with a BlockMap, only data[0] is used.
template <class T>
struct ContrastSide {
  const T* data[2] = {};
  T* gradient[2] = {};
  std::int64_t first_row = 0;  // the row of `data` to which the first row of a gradient belongs
  bool used = false;
  Prepared<T> numbers{};  // of all blocks, kBlock rows each; the panels only if they are kept
  T* rows = nullptr;      // of all blocks, or null

  bool wants(int group) const { return used && gradient[group] != nullptr; }
  T* gradient_of(int group, std::int64_t row, std::int64_t depth) const {
    return gradient[group] + (row - first_row) * depth;
  }
};

// The memory of one worker: two blocks of each side, and one tile.
template <class T>
struct ContrastWorker {
  T *g, *s, *logits;
  T* panels[2][2];
  T* rows[2][2];
  TileSums<T>*down, *across;
  TileHalves<T>* halves;
  T *row_lift, *column_lift;
};

template <class T, class Map>
class ContrastTiles {
 public:
  static constexpr std::int64_t kSide = kBlock<T>, kTile = kSide * kSide;

  // `given_e` and `given_h` are the matrices of the call and their gradients.
  ContrastTiles(const Map& blocks, std::int64_t columns, const Logit& logit, const LogitTable<T>& terms,
                const ContrastSide<T>& given_e, const ContrastSide<T>& given_h)
      : map(blocks),
        depth(columns),
        e(given_e),
        h(logit.tied ? given_e : given_h),
        logit_(logit),
        terms_(terms),
        pitch_(round_up(columns, Vec<T>::kLanes)) {
    if (logit.tied) e = {};
    e.used = terms.gram;
    h.used = terms.squared;
  }

  // Decides which data is kept and how many workers there are.
  void plan(const Run& run, bool backward) {
    const std::int64_t kinds = tile_kinds();
    const std::uint64_t padded = static_cast<std::uint64_t>(map.count * kSide);
    const std::uint64_t packed =
        padded * static_cast<std::uint64_t>(depth + pitch_) * sizeof(T) * static_cast<std::uint64_t>(kinds);
    const std::uint64_t all_tiles = static_cast<std::uint64_t>(map.tiles() * kTile * kinds) * sizeof(T);
    keeps_rows_ = packed <= kPackedBudget;
    keeps_tiles = backward && all_tiles <= kTileBudget;

    Arena measured(nullptr);
    ContrastWorker<T> one{};
    allocate_worker(measured, one);
    const int fitting = static_cast<int>(kWorkerBudget / measured.used());
    const double rows = static_cast<double>(map.samples()), pairs = rows * rows / 2;
    const int wanted = threads_for(run, pairs * static_cast<double>(depth + 64) * static_cast<double>(kinds));
    workers = wanted < fitting ? wanted : (fitting > 1 ? fitting : 1);
  }

  void allocate(Arena& arena) {
    map.allocate(arena);
    allocate_side(arena, e);
    allocate_side(arena, h);
    if (keeps_tiles) tiles_ = arena.allocate<T>(map.tiles() * kTile * tile_kinds());
    worker = arena.allocate<ContrastWorker<T>>(workers);
    for (int w = 0; w < workers; ++w) {
      ContrastWorker<T> unused;
      allocate_worker(arena, worker == nullptr ? unused : worker[w]);
    }
  }

  // Computes the per-row values of a block, and packs its rows if packed rows are kept. `radius` is the radius of the ball
  // points of tied heads.
  void prepare(std::int64_t block, T radius) {
    prepare_side(e, block, radius);
    prepare_side(h, block, radius);
  }

  BlockRows<T> source(const ContrastSide<T>& side, std::int64_t block) const {
    return map.rows(side.data, depth, block);
  }

  Prepared<T> of_block(const ContrastSide<T>& side, std::int64_t block) const {
    Prepared<T> p = side.numbers;
    if (!side.used) return p;
    const std::int64_t place = block * kSide;
    if (p.panels != nullptr) p.panels += place * depth;
    p.n += place;
    p.q += place;
    p.size += place;
    p.scale += place;
    return p;
  }

  // Returns the rows of a block as the right factor of a product. Copies them to `slot` if they are not kept.
  RightSide<T> right(const ContrastSide<T>& side, std::int64_t block, T* slot) const {
    if (keeps_rows_) return {side.rows + block * kSide * pitch_, pitch_};
    copy_rows(source(side, block), 0, map.size(block), static_cast<const double*>(nullptr), depth, slot,
              pitch_);
    return {slot, pitch_};
  }

  PairTile<T> tile_of(const BlockPair& pair, const Prepared<T>& x, const Prepared<T>& y,
                      const LogitScale<T>& scale, const ContrastWorker<T>& to) const {
    return {x,
            y,
            scale,
            logit_.c,
            tile_g(pair, to),
            tile_s(pair, to),
            map.size(pair.i),
            map.size(pair.j),
            pair.i == pair.j};
  }

  void fill_tile(const BlockPair& pair, const ContrastWorker<T>& to) const {
    if (e.used) {
      inner_products(packed(e, pair.i, to.panels[0][0]), packed(e, pair.j, to.panels[0][1]), pair,
                     tile_g(pair, to));
    }
    if (h.used) {
      differences(packed(h, pair.i, to.panels[1][0]), packed(h, pair.j, to.panels[1][1]), pair,
                  tile_s(pair, to));
    }
  }

  Map map;
  const std::int64_t depth;
  ContrastSide<T> e, h;
  bool keeps_tiles = false;
  int workers = 1;
  ContrastWorker<T>* worker = nullptr;

 private:
  using V = Vec<T>;

  int tile_kinds() const { return (e.used ? 1 : 0) + (h.used ? 1 : 0); }

  // --- memory ---
  void allocate_side(Arena& arena, ContrastSide<T>& side) const {
    if (!side.used) return;
    const std::int64_t padded = map.count * kSide;
    side.numbers.depth = depth;
    side.numbers.n = arena.allocate<T>(padded);
    side.numbers.q = arena.allocate<T>(padded);
    side.numbers.size = arena.allocate<T>(padded);
    side.numbers.scale = arena.allocate<double>(padded);
    if (!keeps_rows_) return;
    side.numbers.panels = arena.allocate<T>(padded * depth);
    side.rows = arena.allocate<T>(padded * pitch_);
  }

  void allocate_worker(Arena& arena, ContrastWorker<T>& to) const {
    to.g = e.used && !keeps_tiles ? arena.allocate<T>(kTile) : nullptr;
    to.s = h.used && !keeps_tiles ? arena.allocate<T>(kTile) : nullptr;
    to.logits = arena.allocate<T>(kTile);
    for (int side = 0; side < 2; ++side) {
      const bool own = !keeps_rows_ && (side == 0 ? e : h).used;
      for (int slot = 0; slot < 2; ++slot) {
        to.panels[side][slot] = own ? arena.allocate<T>(kSide * depth) : nullptr;
        to.rows[side][slot] = own ? arena.allocate<T>(kSide * pitch_) : nullptr;
      }
    }
    to.down = arena.allocate<TileSums<T>>(1);
    to.across = arena.allocate<TileSums<T>>(1);
    to.halves = arena.allocate<TileHalves<T>>(1);
    to.row_lift = arena.allocate<T>(kSide);
    to.column_lift = arena.allocate<T>(kSide);
  }

  T* kept_tile(const BlockPair& pair, int kind) const {
    return tiles_ + (map.tile_index(pair) * tile_kinds() + kind) * kTile;
  }
  T* tile_g(const BlockPair& pair, const ContrastWorker<T>& to) const {
    return keeps_tiles && e.used ? kept_tile(pair, 0) : to.g;
  }
  T* tile_s(const BlockPair& pair, const ContrastWorker<T>& to) const {
    return keeps_tiles && h.used ? kept_tile(pair, e.used ? 1 : 0) : to.s;
  }

  // --- rows ---
  void prepare_side(ContrastSide<T>& side, std::int64_t block, T radius) {
    if (!side.used) return;
    const Prepared<T> numbers = of_block(side, block);
    const BlockRows<T> rows = source(side, block);
    for (std::int64_t i = 0; i < kSide; i += kTileCols<T>) {
      terms_.prepare(logit_.c, rows, i, numbers);
      if (keeps_rows_)
        pack_panel(rows, i, static_cast<const double*>(nullptr), depth, numbers.panels + i * depth);
    }
    if (keeps_rows_)
      copy_rows(rows, 0, kSide, static_cast<const double*>(nullptr), depth,
                side.rows + block * kSide * pitch_, pitch_);
    if (!logit_.tied) return;
    const T q = static_cast<T>(terms_.tied_quantity(logit_.c, radius));
    for (std::int64_t i = 0; i < kSide; ++i) numbers.q[i] = q;
  }

  // Returns a block packed for the product. Packs its rows into `slot`, the memory of a worker, if they are not kept.
  Prepared<T> packed(const ContrastSide<T>& side, std::int64_t block, T* slot) const {
    Prepared<T> p = of_block(side, block);
    if (keeps_rows_) return p;
    p.panels = slot;
    const BlockRows<T> rows = source(side, block);
    for (std::int64_t i = 0; i < map.size(block); i += kTileCols<T>) {
      pack_panel(rows, i, static_cast<const double*>(nullptr), depth, slot + i * depth);
    }
    return p;
  }

  // --- products ---
  template <class Body>
  void each_register_tile(const BlockPair& pair, Body body) const {
    const std::int64_t rows = map.size(pair.i), columns = map.size(pair.j);
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
          product<kVectors, Left::by_k>(left, kCols, y.panel(j / kCols), kCols, depth);
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
    const BlockRows<T> x_rows = source(h, pair.i), y_rows = source(h, pair.j);
    const Card card{logit_.c};
    const Sides<Card, T, BlockRows<T>> sides{card, x_rows, y_rows, x, y, pair.i == pair.j};
    each_register_tile(pair, [&]<int kVectors>(std::int64_t i, std::int64_t j) {
      squared_differences<kVectors>(sides, i, j, tile + i * kSide + j, kSide);
    });
  }

  const Logit& logit_;
  const LogitTable<T>& terms_;
  const std::int64_t pitch_;
  bool keeps_rows_ = false;
  T* tiles_ = nullptr;
};

}  // namespace
}  // namespace horoball
