// The k nearest of a stream of candidates, ordered by (distance, index): a heap in device memory with the farthest on
// top, owned by one thread.
#pragma once

#include "cuda/frame/device.h"

namespace horoball::gpu {
namespace {

constexpr std::int32_t kNoIndex = 0x7fffffff;  // of an empty slot; comes after every row

template <class T>
struct Nearest {
  T* distance;
  std::int32_t* index;
  std::int64_t k;

  __device__ void clear() const {
    for (std::int64_t i = 0; i < k; ++i) {
      distance[i] = static_cast<T>(HUGE_VAL);
      index[i] = kNoIndex;
    }
  }

  __device__ static bool before(T d, std::int32_t i, T other, std::int32_t j) {
    return d < other || (d == other && i < j);
  }

  __device__ bool offer(T d, std::int32_t i) const {
    if (!before(d, i, distance[0], index[0])) return false;
    sink(d, i, k);
    return true;
  }

  // Sorts the entries in ascending order; empty slots get index -1.
  __device__ void sort() const {
    for (std::int64_t end = k - 1; end > 0; --end) {
      const T d = distance[end];
      const std::int32_t i = index[end];
      distance[end] = distance[0];
      index[end] = index[0];
      sink(d, i, end);
    }
    for (std::int64_t i = k - 1; i >= 0 && index[i] == kNoIndex; --i) index[i] = -1;
  }

 private:
  // Replaces the worst of the first `count` entries with (d, i) and restores the heap.
  __device__ void sink(T d, std::int32_t i, std::int64_t count) const {
    std::int64_t at = 0;
    for (;;) {
      std::int64_t child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && before(distance[child], index[child], distance[child + 1], index[child + 1]))
        ++child;
      if (!before(d, i, distance[child], index[child])) break;
      distance[at] = distance[child];
      index[at] = index[child];
      at = child;
    }
    distance[at] = d;
    index[at] = i;
  }
};

}  // namespace
}  // namespace horoball::gpu
