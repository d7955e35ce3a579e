// How the samples of a contrastive loss are divided into blocks: by views, in which the losses over pairs of views need
// them, or anchors and references. A map says which samples a block has, where their rows are, and which pairs of blocks
// are processed.
#pragma once

#include "core.h"
#include "cpu/frame/accumulate.h"
#include "cpu/frame/schedule.h"
#include "cpu/pairwise/differences.h"

namespace horoball {
namespace {

// The rows of one block.
template <class T>
struct BlockRows {
  const T* data;
  std::int64_t depth;
  const std::int32_t* order;  // order[sample] = its row; null: sample i is row i
  std::int64_t first, stride, count;

  std::int64_t index(std::int64_t i) const {
    const std::int64_t sample = first + i * stride;
    return order == nullptr ? sample : order[sample];
  }
  const T* row(std::int64_t i) const { return i < count ? data + index(i) * depth : nullptr; }
};

// Samples per block: nearly equal, whole vectors wide.
template <class T>
inline std::int64_t block_width(std::int64_t samples) {
  const std::int64_t wanted = ceil_div(samples, kBlock<T>);
  return min(round_up(ceil_div(samples, wanted), Vec<T>::kLanes), kBlock<T>);
}

// One symmetric N x N matrix, ordered view by view. A block holds consecutive classes of one view. Therefore all pairs of
// two blocks belong to one pair of views, and positive pairs are on the diagonal of a pair of blocks.
struct BlockMap {
  std::int64_t views, classes;
  std::int64_t width;     // classes per block
  std::int64_t per_view;  // blocks per view
  std::int64_t count;     // blocks
  const std::int32_t* order;

  std::int64_t view(std::int64_t block) const { return block / per_view; }
  std::int64_t first_class(std::int64_t block) const { return block % per_view * width; }
  std::int64_t size(std::int64_t block) const { return min(width, classes - first_class(block)); }

  template <class T>
  BlockRows<T> rows(const T* const (&data)[2], std::int64_t depth, std::int64_t block) const {
    return {data[0], depth, order, first_class(block) * views + view(block), views, size(block)};
  }
  static int group(std::int64_t) { return 0; }
  static bool meets(const BlockPair&) { return true; }
  std::int64_t samples() const { return views * classes; }
  std::int64_t tiles() const { return count * (count + 1) / 2; }
  std::int64_t tile_index(const BlockPair& pair) const { return pair.j * (pair.j + 1) / 2 + pair.i; }
};

template <class T>
inline BlockMap divide_views(std::int64_t rows, std::int64_t views, const std::int32_t* order) {
  const std::int64_t classes = rows / views, width = block_width<T>(classes);
  const std::int64_t per_view = ceil_div(classes, width);
  return {views, classes, width, per_view, views * per_view, order};
}

// The samples of one matrix, in blocks.
struct Group {
  std::int64_t samples, width, blocks;
  const std::int32_t* order;
};

template <class T>
inline Group divide_group(std::int64_t samples) {
  if (samples == 0) return {};
  const std::int64_t width = block_width<T>(samples);
  return {samples, width, ceil_div(samples, width), nullptr};
}

// Anchors, and references if there are any. Without references the anchors are compared with each other, in one symmetric
// matrix; otherwise each block of anchors meets the blocks of references.
struct GroupMap {
  Group anchors, references;
  std::int64_t count = anchors.blocks + references.blocks;

  bool is_symmetric() const { return references.samples == 0; }
  int group(std::int64_t block) const { return block < anchors.blocks ? 0 : 1; }
  const Group& group_of(std::int64_t block) const { return group(block) == 0 ? anchors : references; }
  // Its first sample within its group.
  std::int64_t first(std::int64_t block) const {
    return group(block) == 0 ? block * anchors.width : (block - anchors.blocks) * references.width;
  }
  std::int64_t size(std::int64_t block) const {
    const Group& group = group_of(block);
    return min(group.width, group.samples - first(block));
  }

  template <class T>
  BlockRows<T> rows(const T* const (&data)[2], std::int64_t depth, std::int64_t block) const {
    return {data[group(block)], depth, group_of(block).order, first(block), 1, size(block)};
  }
  bool meets(const BlockPair& pair) const { return is_symmetric() || group(pair.i) != group(pair.j); }
  std::int64_t samples() const { return anchors.samples + references.samples; }
  std::int64_t tiles() const {
    return is_symmetric() ? count * (count + 1) / 2 : anchors.blocks * references.blocks;
  }
  std::int64_t tile_index(const BlockPair& pair) const {
    return is_symmetric() ? pair.j * (pair.j + 1) / 2 + pair.i
                          : (pair.j - anchors.blocks) * anchors.blocks + pair.i;
  }
};

}  // namespace
}  // namespace horoball
