// Scratch memory of the contrastive loss. Everything of size O(N) is kept. What is O(N D) (rows packed for the
// product) or O(N^2) (tiles of the matrix) is kept if it fits in a fixed budget, and otherwise recomputed for
// each tile.
#pragma once

#include "cpu/contrast/terms.h"
#include "cpu/frame/schedule.h"
#include "cpu/frame/threads.h"

namespace horoball {
namespace {

constexpr std::size_t kPackedBudget = 20u << 20, kTileBudget = 28u << 20, kWorkerBudget = 28u << 20;

// One of the two sets of rows, e or h (or z, which serves as both).
template <class T>
struct ContrastSide {
  const T* data = nullptr;
  T* gradient = nullptr;
  bool used = false;
  Prepared<T> numbers{};  // of all blocks, kBlock rows each; without panels unless they are kept
  T* rows = nullptr;      // of all blocks, or null
};

// The memory of one worker: two blocks of either side, and one tile.
template <class T>
struct ContrastWorker {
  T *g, *s, *logits;
  T* panels[2][2];
  T* rows[2][2];
  TileSums<T>*down, *across;
  TileHalves<T>* halves;
  T *row_lift, *column_lift;
};

// Sums of a block from which the results are computed.
struct BlockSums {
  double loss = 0, hits = 0;
  ParamSums params;
};

template <class T>
class ContrastMemory {
 public:
  static constexpr std::int64_t kSide = kBlock<T>, kTile = kSide * kSide;

  ContrastMemory(const BlockMap& map, std::int64_t depth, std::int64_t pitch)
      : map_(map), depth_(depth), pitch_(pitch) {}

  // Decides what is kept and how many workers there are. `kinds`: tiles per pair of blocks.
  void plan(const Run& run, std::int64_t rows, std::int64_t kinds, bool gram, bool squared, bool backward) {
    kinds_ = kinds;
    gram_ = gram;
    squared_ = squared;
    const std::uint64_t padded = static_cast<std::uint64_t>(map_.count * kSide);
    const std::uint64_t packed =
        padded * static_cast<std::uint64_t>(depth_ + pitch_) * sizeof(T) * static_cast<std::uint64_t>(kinds);
    const std::uint64_t all_tiles =
        static_cast<std::uint64_t>(map_.count * (map_.count + 1) / 2 * kTile * kinds) * sizeof(T);
    keeps_rows = packed <= kPackedBudget;
    keeps_tiles = backward && all_tiles <= kTileBudget;

    Arena measured(nullptr);
    ContrastWorker<T> one{};
    allocate_worker(measured, one);
    const int fitting = static_cast<int>(kWorkerBudget / measured.used());
    const double pairs = static_cast<double>(rows) * static_cast<double>(rows) / 2;
    const int wanted =
        threads_for(run, pairs * static_cast<double>(depth_ + 64) * static_cast<double>(kinds));
    workers = wanted < fitting ? wanted : (fitting > 1 ? fitting : 1);
  }

  void allocate(Arena& arena, ContrastSide<T>& e, ContrastSide<T>& h) {
    allocate_side(arena, e);
    allocate_side(arena, h);
    const std::int64_t padded = map_.count * kSide, entries = padded * map_.views;
    state = {arena.allocate<T>(entries), arena.allocate<T>(entries), arena.allocate<T>(entries),
             arena.allocate<T>(entries)};
    lift = arena.allocate<double>(padded);
    sums = arena.allocate<BlockSums>(map_.count);
    stats = arena.allocate<ContrastStats>(map_.count * map_.views);
    completed = arena.allocate<std::atomic<std::int64_t>>(map_.count);
    if (keeps_tiles) tiles = arena.allocate<T>(map_.count * (map_.count + 1) / 2 * kTile * kinds_);
    worker = arena.allocate<ContrastWorker<T>>(workers);
    for (int w = 0; w < workers; ++w) {
      ContrastWorker<T> unused;
      allocate_worker(arena, worker == nullptr ? unused : worker[w]);
    }
  }

  bool keeps_rows = false, keeps_tiles = false;
  int workers = 1;
  T* tiles = nullptr;
  LogSums<T> state{};
  double* lift = nullptr;  // factor of every sample in its own gradient
  BlockSums* sums = nullptr;
  ContrastStats* stats = nullptr;  // [block][view]: pairs of the block with a later view
  std::atomic<std::int64_t>* completed = nullptr;
  ContrastWorker<T>* worker = nullptr;

 private:
  void allocate_side(Arena& arena, ContrastSide<T>& side) const {
    if (!side.used) return;
    const std::int64_t padded = map_.count * kSide;
    side.numbers.depth = depth_;
    side.numbers.n = arena.allocate<T>(padded);
    side.numbers.q = arena.allocate<T>(padded);
    side.numbers.size = arena.allocate<T>(padded);
    side.numbers.scale = arena.allocate<double>(padded);
    if (!keeps_rows) return;
    side.numbers.panels = arena.allocate<T>(padded * depth_);
    side.rows = arena.allocate<T>(padded * pitch_);
  }

  void allocate_worker(Arena& arena, ContrastWorker<T>& to) const {
    to.g = gram_ && !keeps_tiles ? arena.allocate<T>(kTile) : nullptr;
    to.s = squared_ && !keeps_tiles ? arena.allocate<T>(kTile) : nullptr;
    to.logits = arena.allocate<T>(kTile);
    for (int side = 0; side < 2; ++side) {
      const bool own = !keeps_rows && (side == 0 ? gram_ : squared_);
      for (int slot = 0; slot < 2; ++slot) {
        to.panels[side][slot] = own ? arena.allocate<T>(kSide * depth_) : nullptr;
        to.rows[side][slot] = own ? arena.allocate<T>(kSide * pitch_) : nullptr;
      }
    }
    to.down = arena.allocate<TileSums<T>>(1);
    to.across = arena.allocate<TileSums<T>>(1);
    to.halves = arena.allocate<TileHalves<T>>(1);
    to.row_lift = arena.allocate<T>(kSide);
    to.column_lift = arena.allocate<T>(kSide);
  }

  const BlockMap& map_;
  std::int64_t depth_, pitch_, kinds_ = 0;
  bool gram_ = false, squared_ = false;
};

}  // namespace
}  // namespace horoball
