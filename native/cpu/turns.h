// Which pairs of blocks are worked on together, and in which order each block hears of its partners.
//
// Sums over pairs go into both blocks of a pair. So that they don't depend on the number of threads, every
// block takes its partners in one fixed order: a task waits for its turn at both of its blocks. In round r
// the partners' indices add up to r (modulo the count), so each block has exactly one partner a round, all
// pairs of a round are disjoint, and tasks given out in ascending order never wait for a later one.
#pragma once

#include <atomic>

#include "cpu/layout.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <sched.h>

namespace horoball {
namespace {

struct BlockPair {
  std::int64_t i, j, round;
};

// The unordered pairs of `count` blocks, each with itself too, as count * count tasks, of which those with i
// > j are empty.
inline BlockPair symmetric_pair(std::int64_t task, std::int64_t count) {
  const std::int64_t round = task / count, i = task % count;
  return {i, (round - i + count) % count, round};
}

// Pairs of `rows` blocks with `columns` others: in round r, row block i meets column block i + r (modulo the
// larger count). Those whose i or j is out of range are empty, but have their turn.
inline BlockPair grid_pair(std::int64_t task, std::int64_t rows, std::int64_t columns) {
  const std::int64_t count = rows > columns ? rows : columns, round = task / count, i = task % count;
  return {i, (i + round) % count, round};
}

class Turns {
 public:
  // `done` has one count a block.
  Turns(std::atomic<std::int64_t>* done, std::int64_t count) : done_(done) {
    for (std::int64_t b = 0; b < count; ++b) done_[b].store(0, std::memory_order_relaxed);
  }

  void wait(std::int64_t block, std::int64_t round) const {
    for (int spins = 0; done_[block].load(std::memory_order_acquire) != round; ++spins) {
      if (spins > kSpins) {
        sched_yield();
      } else {
#if defined(__x86_64__)
        _mm_pause();
#endif
      }
    }
  }
  void pass(std::int64_t block, std::int64_t round) const {
    done_[block].store(round + 1, std::memory_order_release);
  }

 private:
  static constexpr int kSpins = 1000;
  std::atomic<std::int64_t>* done_;
};

}  // namespace
}  // namespace horoball
