// Contrast's working memory: how much there is to be, and where everything lies.
#pragma once

#include "cpu/contrast_forward.h"

namespace horoball {
namespace {

template <class T>
void Contrast<T>::plan_memory() {
  const std::size_t padded = static_cast<std::size_t>(map_.count * kSide);
  const std::size_t kinds = static_cast<std::size_t>(tile_kinds());
  const std::size_t packed = padded * static_cast<std::size_t>(depth_ + pitch_) * sizeof(T) * kinds;
  const std::size_t tiles =
      static_cast<std::size_t>(map_.count * (map_.count + 1) / 2 * kTile) * sizeof(T) * kinds;
  memory_.keeps_rows = packed <= kPackedBudget;
  memory_.keeps_tiles = backward_ && tiles <= kTileBudget;

  Cutter measure(nullptr);
  ContrastWorker<T> worker{};
  cut_worker(measure, worker);
  const int fitting = static_cast<int>(kWorkerBudget / measure.used());
  const int wanted =
      threads_for(run_, pairs() * static_cast<double>(depth_ + 64) * static_cast<double>(kinds));
  memory_.workers = wanted < fitting ? wanted : (fitting > 1 ? fitting : 1);
}

template <class T>
void Contrast<T>::cut(Cutter& cutter) {
  cut_side(cutter, e_);
  cut_side(cutter, h_);
  const std::int64_t padded = map_.count * kSide, entries = padded * map_.views;
  memory_.state = {cutter.take<T>(entries), cutter.take<T>(entries), cutter.take<T>(entries),
                   cutter.take<T>(entries)};
  memory_.lift = cutter.take<double>(padded);
  memory_.sums = cutter.take<BlockSums>(map_.count);
  memory_.stats = cutter.take<ContrastStats>(map_.count * map_.views);
  memory_.done = cutter.take<std::atomic<std::int64_t>>(map_.count);
  if (memory_.keeps_tiles) {
    memory_.tiles = cutter.take<T>(map_.count * (map_.count + 1) / 2 * kTile * tile_kinds());
  }
  memory_.worker = cutter.take<ContrastWorker<T>>(memory_.workers);
  for (int w = 0; w < memory_.workers; ++w) {
    ContrastWorker<T> unused;
    cut_worker(cutter, memory_.worker == nullptr ? unused : memory_.worker[w]);
  }
}

template <class T>
void Contrast<T>::cut_side(Cutter& cutter, ContrastSide<T>& side) {
  if (!side.used) return;
  const std::int64_t padded = map_.count * kSide;
  side.numbers.depth = depth_;
  side.numbers.n = cutter.take<T>(padded);
  side.numbers.q = cutter.take<T>(padded);
  side.numbers.size = cutter.take<T>(padded);
  side.numbers.scale = cutter.take<double>(padded);
  if (!memory_.keeps_rows) return;
  side.numbers.panels = cutter.take<T>(padded * depth_);
  side.rows = cutter.take<T>(padded * pitch_);
}

template <class T>
void Contrast<T>::cut_worker(Cutter& cutter, ContrastWorker<T>& worker) {
  worker.g = e_.used && !memory_.keeps_tiles ? cutter.take<T>(kTile) : nullptr;
  worker.s = h_.used && !memory_.keeps_tiles ? cutter.take<T>(kTile) : nullptr;
  worker.logits = cutter.take<T>(kTile);
  for (int side = 0; side < 2; ++side) {
    const bool own = !memory_.keeps_rows && (side == 0 ? e_.used : h_.used);
    for (int slot = 0; slot < 2; ++slot) {
      worker.panels[side][slot] = own ? cutter.take<T>(kSide * depth_) : nullptr;
      worker.rows[side][slot] = own ? cutter.take<T>(kSide * pitch_) : nullptr;
    }
  }
  worker.down = cutter.take<TileSums<T>>(1);
  worker.across = cutter.take<TileSums<T>>(1);
  worker.halves = cutter.take<TileHalves<T>>(1);
  worker.row_lift = cutter.take<T>(kSide);
  worker.column_lift = cutter.take<T>(kSide);
}

}  // namespace
}  // namespace horoball
