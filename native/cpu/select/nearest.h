// The k nearest of a stream of candidates, ordered by (distance, index): a heap with the farthest on top.
#pragma once

#include <cstdint>

#include "cpu/frame/memory.h"

namespace horoball {
namespace {

template <class T>
struct Nearest {
  T* distance;
  std::int32_t* index;
  std::int64_t k;

  void clear() const {
    for (std::int64_t i = 0; i < k; ++i) {
      distance[i] = static_cast<T>(__builtin_huge_val());
      index[i] = -1;
    }
  }

  T worst() const { return distance[0]; }

  // Whether a candidate precedes the entry at `place`. An empty slot comes after every candidate at a finite distance.
  bool before(T d, std::int32_t i, std::int64_t place) const {
    return d < distance[place] || (d == distance[place] && index[place] >= 0 && i < index[place]);
  }

  bool offer(T d, std::int32_t i) const {
    if (!before(d, i, 0)) return false;
    sink(d, i, k);
    return true;
  }

  // Sorts the entries in ascending order.
  void sort() const {
    for (std::int64_t end = k - 1; end > 0; --end) {
      const T d = distance[end];
      const std::int32_t i = index[end];
      distance[end] = distance[0];
      index[end] = index[0];
      sink(d, i, end);
    }
  }

 private:
  bool worse(std::int64_t a, std::int64_t b) const {
    if (distance[a] != distance[b]) return distance[a] > distance[b];
    if (index[a] < 0 || index[b] < 0) return index[a] < index[b];
    return index[a] > index[b];
  }

  // Replaces the worst of the first `count` entries with (d, i) and restores the heap.
  void sink(T d, std::int32_t i, std::int64_t count) const {
    std::int64_t at = 0;
    for (;;) {
      std::int64_t child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && worse(child + 1, child)) ++child;
      const bool lower =
          distance[child] > d || (distance[child] == d && (index[child] < 0 || (i >= 0 && index[child] > i)));
      if (!lower) break;
      distance[at] = distance[child];
      index[at] = index[child];
      at = child;
    }
    distance[at] = d;
    index[at] = i;
  }
};

}  // namespace
}  // namespace horoball
