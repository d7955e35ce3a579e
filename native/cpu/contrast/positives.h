// Determines which pairs are positive: those with equal labels in at least one column of labels, or those in the caller's
// lists. Labeled samples are sorted by the first column, so that positives are concentrated in few tiles.
#pragma once

#include "cpu/contrast/plan.h"
#include "cpu/frame/memory.h"

namespace horoball {
namespace {

class Positives {
 public:
  explicit Positives(const PairLossArgs& args) : args_(args) {}

  void allocate(Arena& arena) {
    if (args_.columns == 0) return;
    starts_ = arena.allocate<std::int32_t>(rows(0) + rows(1) + 1);
    for (int group = 0; group < 2; ++group) {
      order_[group] = arena.allocate<std::int32_t>(rows(group));
      labels_[group] = arena.allocate<std::int32_t>(args_.columns * rows(group));
    }
  }

  void sort() {
    if (args_.columns == 0) return;
    sort_group(0, args_.labels);
    sort_group(1, args_.ref_labels);
  }

  template <class T>
  GroupMap map() const {
    GroupMap out{divide_group<T>(rows(0)), divide_group<T>(rows(1))};
    out.anchors.order = order_[0];
    out.references.order = order_[1];
    return out;
  }

  // Writes 1 for the positive pairs of a tile and 0 for the others, with pitch kBlock. Returns false, without writing, if
  // no pair can be positive.
  template <class T>
  bool mark(const GroupMap& map, const BlockPair& pair, T* marks) const {
    const bool marked = args_.columns == 0 ? mark_lists(map, pair, marks) : mark_labels(map, pair, marks);
    if (marked && pair.i == pair.j) {
      for (std::int64_t i = 0; i < map.size(pair.i); ++i) marks[i * kBlock<T> + i] = 0;
    }
    return marked;
  }

 private:
  std::int64_t rows(int group) const { return group == 0 ? args_.euclidean.rows : args_.ref_euclidean.rows; }

  // Sorts the rows of a group by label with a counting sort, which keeps the order of the rows of a class.
  void sort_group(int group, const std::int32_t* labels) {
    const std::int64_t count = rows(group), classes = rows(0) + rows(1);
    for (std::int64_t k = 0; k <= classes; ++k) starts_[k] = 0;
    for (std::int64_t i = 0; i < count; ++i) starts_[labels[i] + 1] += 1;
    for (std::int64_t k = 0; k < classes; ++k) starts_[k + 1] += starts_[k];
    for (std::int64_t i = 0; i < count; ++i)
      order_[group][starts_[labels[i]]++] = static_cast<std::int32_t>(i);
    for (std::int64_t column = 0; column < args_.columns; ++column) {
      const std::int64_t at = column * count;
      for (std::int64_t i = 0; i < count; ++i) labels_[group][at + i] = labels[at + order_[group][i]];
    }
  }

  // Returns the labels in `column` of the samples of a block.
  const std::int32_t* labels_of(const GroupMap& map, std::int64_t block, std::int64_t column) const {
    const int group = map.group(block);
    return labels_[group] + column * rows(group) + map.first(block);
  }

  struct Range {
    std::int32_t low, high;
  };
  static Range range_of(const std::int32_t* labels, std::int64_t count) {
    Range range{labels[0], labels[0]};
    for (std::int64_t i = 1; i < count; ++i) {
      if (labels[i] < range.low) range.low = labels[i];
      if (labels[i] > range.high) range.high = labels[i];
    }
    return range;
  }

  template <class T>
  static void clear(T* marks, std::int64_t rows) {
    for (std::int64_t i = 0; i < rows * kBlock<T>; ++i) marks[i] = 0;
  }

  template <class T>
  bool mark_labels(const GroupMap& map, const BlockPair& pair, T* marks) const {
    const std::int64_t rows = map.size(pair.i), columns = map.size(pair.j);
    bool marked = false;
    for (std::int64_t column = 0; column < args_.columns; ++column) {
      const std::int32_t *x = labels_of(map, pair.i, column), *y = labels_of(map, pair.j, column);
      const Range a = range_of(x, rows), b = range_of(y, columns);
      if (a.low > b.high || b.low > a.high) continue;
      if (!marked) clear(marks, rows);
      marked = true;
      for (std::int64_t i = 0; i < rows; ++i) {
        T* row = marks + i * kBlock<T>;
        for (std::int64_t j = 0; j < columns; ++j) row[j] = x[i] == y[j] ? T(1) : row[j];
      }
    }
    return marked;
  }

  // Returns the position in `positives` of an anchor's first positive whose index is at least `row`.
  std::int32_t first_at(std::int64_t anchor, std::int64_t row) const {
    std::int32_t low = args_.starts[anchor], high = args_.starts[anchor + 1];
    while (low < high) {
      const std::int32_t middle = low + (high - low) / 2;
      if (args_.positives[middle] < row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  template <class T>
  bool mark_lists(const GroupMap& map, const BlockPair& pair, T* marks) const {
    const std::int64_t rows = map.size(pair.i), first = map.first(pair.j), end = first + map.size(pair.j);
    bool marked = false;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t anchor = map.first(pair.i) + i;
      for (std::int32_t at = first_at(anchor, first); at < args_.starts[anchor + 1]; ++at) {
        const std::int64_t row = args_.positives[at];
        if (row >= end) break;
        if (!marked) clear(marks, rows);
        marked = true;
        marks[i * kBlock<T> + row - first] = 1;
      }
    }
    return marked;
  }

  const PairLossArgs& args_;
  std::int32_t* starts_ = nullptr;                 // of the classes, while sorting
  std::int32_t *order_[2] = {}, *labels_[2] = {};  // labels: [column][sample], samples sorted
};

}  // namespace
}  // namespace horoball
