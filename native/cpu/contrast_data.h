// Working memory of the contrastive loss. Everything that is O(N) is kept; what is O(N D) (rows packed for
// the product) and O(N^2) (tiles of the matrix) is kept where it fits in a fixed budget, and made again by
// the tile where it does not.
#pragma once

#include "cpu/contrast_rows.h"
#include "cpu/contrast_terms.h"
#include "cpu/turns.h"

namespace horoball {
namespace {

constexpr std::size_t kPackedBudget = 20u << 20, kTileBudget = 28u << 20, kWorkerBudget = 28u << 20;

// One of the two sets of rows, e or h (or z, which is both).
template <class T>
struct ContrastSide {
  const T* data = nullptr;
  T* gradient = nullptr;
  bool used = false;
  Prepared<T> numbers{};  // of all blocks, kBlock rows each; its panels only where they are kept
  T* rows = nullptr;      // of all blocks, or null
};

// A worker's own memory: two blocks of either side, and one tile.
template <class T>
struct ContrastWorker {
  T *g, *s, *logits;
  T* panels[2][2];
  T* rows[2][2];
  TileSums<T>*down, *across;
  TileHalves<T>* halves;
  T *row_lift, *column_lift;
};

// Sums of a block that the answers are made of.
struct BlockSums {
  double loss = 0, hits = 0;
  ParamSums params;
};

template <class T>
struct ContrastMemory {
  bool keeps_rows = false, keeps_tiles = false;
  int workers = 1;
  T* tiles = nullptr;
  LogSums<T> state{};
  double* lift = nullptr;  // factor of every sample in its own gradient
  BlockSums* sums = nullptr;
  ContrastStats* stats = nullptr;  // [block][view]: the block's pairs with a later view
  std::atomic<std::int64_t>* done = nullptr;
  ContrastWorker<T>* worker = nullptr;
};

}  // namespace
}  // namespace horoball
