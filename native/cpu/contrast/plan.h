// The contrastive loss as blocks of one symmetric N x N matrix: how samples are divided into blocks. Samples are
// ordered view by view, and a block holds consecutive classes of one view. Therefore all pairs of two blocks belong
// to one pair of views, and positive pairs are on the diagonal of a pair of blocks.
#pragma once

#include "core.h"
#include "cpu/frame/accumulate.h"
#include "cpu/pairwise/differences.h"
#include "ops/geometries/cards.h"
#include "ops/head.h"

namespace horoball {
namespace {

struct BlockMap {
  std::int64_t views, classes;
  std::int64_t width;     // classes per block
  std::int64_t per_view;  // blocks per view
  std::int64_t count;     // blocks

  std::int64_t view(std::int64_t block) const { return block / per_view; }
  std::int64_t first_class(std::int64_t block) const { return block % per_view * width; }
  std::int64_t size(std::int64_t block) const { return min(width, classes - first_class(block)); }
};

// Blocks of nearly equal size, whole vectors wide.
template <class T>
inline BlockMap divide_blocks(std::int64_t rows, std::int64_t views) {
  const std::int64_t classes = rows / views;
  const std::int64_t wanted = ceil_div(classes, kBlock<T>);
  const std::int64_t width = min(round_up(ceil_div(classes, wanted), Vec<T>::kLanes), kBlock<T>);
  const std::int64_t per_view = ceil_div(classes, width);
  return {views, classes, width, per_view, views * per_view};
}

// The rows of one block.
template <class T>
struct BlockRows {
  const T* data;
  std::int64_t depth;
  const std::int32_t* order;
  const BlockMap& map;
  std::int64_t block;

  std::int64_t index(std::int64_t i) const {
    const std::int64_t sample = (map.first_class(block) + i) * map.views + map.view(block);
    return order == nullptr ? sample : order[sample];
  }
  const T* row(std::int64_t i) const { return i < map.size(block) ? data + index(i) * depth : nullptr; }
};

}  // namespace
}  // namespace horoball
