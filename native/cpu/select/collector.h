// The k nearest of a stream of candidates for every row of a block, for large k: 2 k candidates are collected before
// the farther half is dropped, so the average cost of an insertion does not depend on k. For small k a heap is
// better, because its bound is always tight.
#pragma once

#include "cpu/select/candidates.h"
#include "cpu/select/nearest.h"

namespace horoball {
namespace {

constexpr std::int64_t kLargestHeap = 64;
constexpr std::int64_t kCollectedBytes = 64 << 20;

// The collector of one worker. Between close() and the next open(), the nearest candidates of a row are kept in its
// list, unordered except that the last of a full list is the farthest.
template <class T>
struct Collector {
  Candidate<T>* rows;  // [row][2 k]
  std::int64_t* counts;
  T* farthest;  // a bound: the k-th distance when candidates were last dropped
  std::int64_t k;

  // Whether k is large, and 2 k candidates for each of `rows` rows (of all workers) fit in kCollectedBytes.
  static bool serves(std::int64_t k, std::int64_t rows) {
    const auto size = static_cast<std::int64_t>(sizeof(Candidate<T>));
    return k > kLargestHeap && k <= kCollectedBytes / (2 * size * rows);
  }

  Candidate<T>* row(std::int64_t i) const { return rows + i * 2 * k; }

  void open(std::int64_t i, const Nearest<T>& list) const {
    counts[i] = 0;
    append(i, list);
    farthest[i] = counts[i] == k ? list.distance[k - 1] : static_cast<T>(__builtin_huge_val());
  }

  // Adds a candidate. Returns whether `farthest` has changed.
  bool offer(std::int64_t i, T distance, std::int32_t index) const {
    row(i)[counts[i]++] = {distance, index};
    if (counts[i] < 2 * k) return false;
    halve(i);
    return true;
  }

  void close(std::int64_t i, const Nearest<T>& list) const {
    if (counts[i] >= k) halve(i);
    write(i, list);
  }

  // Merges all lists of a row into the first, in ascending order.
  template <class ListOf>
  void join(std::int64_t i, std::int64_t lists, ListOf list_of) const {
    counts[i] = 0;
    for (std::int64_t part = 0; part < lists; ++part) {
      append(i, list_of(part));
      if (counts[i] > k) halve(i);
    }
    sort_nearest(row(i), counts[i]);
    write(i, list_of(0));
  }

 private:
  void append(std::int64_t i, const Nearest<T>& list) const {
    for (std::int64_t at = 0; at < k && list.index[at] >= 0; ++at)
      row(i)[counts[i]++] = {list.distance[at], list.index[at]};
  }

  void halve(std::int64_t i) const {
    keep_nearest(row(i), counts[i], k);
    counts[i] = k;
    farthest[i] = row(i)[k - 1].distance;
  }

  void write(std::int64_t i, const Nearest<T>& list) const {
    list.clear();
    for (std::int64_t at = 0; at < counts[i]; ++at) {
      list.distance[at] = row(i)[at].distance;
      list.index[at] = row(i)[at].index;
    }
  }
};

}  // namespace
}  // namespace horoball
