// The order in which pairs of blocks are processed.
//
// Each pair of blocks adds to sums of both of its blocks. To make the sums independent of the number of threads, every block is
// paired with its partners in a fixed order: a task waits until both of its blocks have reached its round. In round r,
// block i is paired with block r - i of the same matrix, or with column block i + r of another matrix (modulo the
// count). So each block has exactly one partner per round, the pairs of a round are disjoint, and tasks handed out in
// ascending order never wait for a later one.
#pragma once

#include <atomic>

#include "cpu/frame/memory.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <sched.h>

namespace horoball {
namespace {

struct BlockPair {
  std::int64_t i, j, round;
};

// Returns the pair of one of count * count tasks, which cover the unordered pairs of `count` blocks, including each block
// with itself. Tasks with i > j are empty.
inline BlockPair symmetric_pair(std::int64_t task, std::int64_t count) {
  const std::int64_t round = task / count, i = task % count;
  return {i, (round - i + count) % count, round};
}

// Returns the pair of a task: in round r, row block i is paired with column block i + r (modulo the larger count). Pairs
// with i or j out of range are empty but still complete their round.
inline BlockPair grid_pair(std::int64_t task, std::int64_t rows, std::int64_t columns) {
  const std::int64_t count = rows > columns ? rows : columns, round = task / count, i = task % count;
  return {i, (i + round) % count, round};
}

// The number of rounds that each block has completed.
class Rounds {
 public:
  // `completed` has one counter per block.
  Rounds(std::atomic<std::int64_t>* completed, std::int64_t count) : completed_(completed) {
    for (std::int64_t b = 0; b < count; ++b) completed_[b].store(0, std::memory_order_relaxed);
  }

  void wait(std::int64_t block, std::int64_t round) const {
    for (int spins = 0; completed_[block].load(std::memory_order_acquire) != round; ++spins) {
      if (spins > kSpins) {
        sched_yield();
      } else {
#if defined(__x86_64__)
        _mm_pause();
#endif
      }
    }
  }
  void complete(std::int64_t block, std::int64_t round) const {
    completed_[block].store(round + 1, std::memory_order_release);
  }

 private:
  static constexpr int kSpins = 1000;
  std::atomic<std::int64_t>* completed_;
};

}  // namespace
}  // namespace horoball
