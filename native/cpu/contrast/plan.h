// Divides the samples of a contrastive loss into blocks: BlockMap by view, for the loss over pairs of views; GroupMap into
// anchors and references. A map defines the samples of each block, their rows, and the pairs of blocks to process.
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

// Returns the number of samples per block: a multiple of the vector width that gives blocks of nearly equal size.
template <class T>
inline std::int64_t block_width(std::int64_t samples) {
  const std::int64_t wanted = ceil_div(samples, kBlock<T>);
  return min(round_up(ceil_div(samples, wanted), Vec<T>::kLanes), kBlock<T>);
}

// Consecutive classes, divided into the same blocks in every view. The argument `at` is the index of a block within its view.
struct ClassRange {
  std::int64_t first = 0, end = 0;
  std::int64_t width = 0;  // classes per block
  std::int64_t first_block = 0, end_block = 0;

  bool has(std::int64_t at) const { return at >= first_block && at < end_block; }
  std::int64_t class_of(std::int64_t at) const { return first + (at - first_block) * width; }
  std::int64_t size(std::int64_t at) const { return min(width, end - class_of(at)); }
};

// A block. `own_before` is the number of blocks of this rank that precede it.
struct ViewBlock {
  std::int64_t first_class, size, own_before;
  std::int32_t view;
  bool is_own, is_wanted;
};

// The blocks of one symmetric N x N matrix, ordered view by view. A block contains consecutive classes of one view, so all
// samples of a pair of blocks belong to one pair of views, and positive pairs are on the diagonal. A rank that computes only
// a part (ContrastPart) processes only the pairs in which at least one block has classes of this rank.
struct BlockMap {
  enum : int { kBefore, kWanted, kUnwanted, kAfter, kRanges };

  std::int64_t views, classes;
  const std::int32_t* order;
  ClassRange ranges[kRanges] = {};  // kWanted and kUnwanted: this rank's classes, with and without gradients
  std::int64_t per_view = 0;        // blocks per view
  std::int64_t count = 0;           // blocks
  std::int64_t own = 0;             // blocks of this rank
  ViewBlock* blocks = nullptr;      // computed once per call

  void allocate(Arena& arena) {
    blocks = arena.allocate<ViewBlock>(count);
    if (blocks == nullptr) return;
    for (std::int64_t block = 0; block < count; ++block) blocks[block] = block_at(block);
  }

  std::int64_t view(std::int64_t block) const { return blocks[block].view; }
  std::int64_t first_class(std::int64_t block) const { return blocks[block].first_class; }
  std::int64_t size(std::int64_t block) const { return blocks[block].size; }
  bool is_own(std::int64_t block) const { return blocks[block].is_own; }

  template <class T>
  BlockRows<T> rows(const T* const (&data)[2], std::int64_t depth, std::int64_t block) const {
    const ViewBlock& of = blocks[block];
    return {data[0], depth, order, of.first_class * views + of.view, views, of.size};
  }
  // Returns the index of a block in ContrastSide::gradient: 0 if its gradients are wanted, otherwise 1.
  int group(std::int64_t block) const { return blocks[block].is_wanted ? 0 : 1; }
  bool meets(const BlockPair& pair) const { return is_own(pair.i) || is_own(pair.j); }
  // Whether another rank also processes the pair.
  bool is_shared(const BlockPair& pair) const { return !is_own(pair.i) || !is_own(pair.j); }
  // Returns the pair, ordered so that its first block belongs to this rank.
  BlockPair directed(const BlockPair& pair) const {
    return is_own(pair.i) ? pair : BlockPair{pair.j, pair.i, pair.round};
  }
  std::int64_t samples() const { return views * classes; }
  std::int64_t tiles() const { return own * (own + 1) / 2 + own * (count - own); }
  // Returns the position at which the tile of a directed pair is stored. The pairs of two blocks of this rank come first.
  std::int64_t tile_index(const BlockPair& pair) const {
    const std::int64_t i = blocks[pair.i].own_before, j = blocks[pair.j].own_before;
    return is_own(pair.j) ? j * (j + 1) / 2 + i : own * (own + 1) / 2 + i * (count - own) + pair.j - j;
  }

 private:
  ViewBlock block_at(std::int64_t block) const {
    const std::int64_t view = block / per_view, at = block % per_view;
    const std::int64_t first_own = ranges[kWanted].first_block, end_own = ranges[kUnwanted].end_block;
    const ClassRange* range = ranges;
    while (!range->has(at)) ++range;
    const std::int64_t before = at < first_own ? 0 : min(at, end_own) - first_own;
    return {range->class_of(at),
            range->size(at),
            view * (end_own - first_own) + before,
            static_cast<std::int32_t>(view),
            at >= first_own && at < end_own,
            ranges[kWanted].has(at)};
  }
};

template <class T>
inline BlockMap divide_views(std::int64_t rows, std::int64_t views, const std::int32_t* order,
                             const ContrastPart* part) {
  BlockMap map{views, rows / views, order};
  std::int64_t ends[BlockMap::kRanges] = {0, map.classes, map.classes, map.classes};
  if (part != nullptr) {
    const std::int64_t first = part->starts[part->rank];
    ends[BlockMap::kBefore] = first;
    ends[BlockMap::kWanted] = first + part->wanted;
    ends[BlockMap::kUnwanted] = part->starts[part->rank + 1];
  }
  std::int64_t first = 0;
  for (int at = 0; at < BlockMap::kRanges; ++at) {
    const std::int64_t size = ends[at] - first, width = size == 0 ? 1 : block_width<T>(size);
    const std::int64_t blocks = ceil_div(size, width);
    map.ranges[at] = {first, ends[at], width, map.per_view, map.per_view + blocks};
    map.per_view += blocks;
    first = ends[at];
  }
  map.count = views * map.per_view;
  map.own = views * (map.ranges[BlockMap::kUnwanted].end_block - map.ranges[BlockMap::kWanted].first_block);
  return map;
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
// matrix; otherwise each block of anchors is paired with every block of references.
struct GroupMap {
  Group anchors, references;
  std::int64_t count = anchors.blocks + references.blocks;

  void allocate(Arena&) {}

  bool is_symmetric() const { return references.samples == 0; }
  int group(std::int64_t block) const { return block < anchors.blocks ? 0 : 1; }
  const Group& group_of(std::int64_t block) const { return group(block) == 0 ? anchors : references; }
  // Returns the index of a block's first sample within its group.
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
  static bool is_shared(const BlockPair&) { return false; }
  static BlockPair directed(const BlockPair& pair) { return pair; }
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
