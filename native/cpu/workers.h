// parallel() for callables, and how many threads a piece of work is worth.
#pragma once

#include "core.h"
#include "cpu/parallel.h"

namespace horoball {
namespace {

// Waking a thread costs some microseconds: below this many multiply-adds a call stays on its own.
constexpr double kWorthThreads = 2e6;

inline int threads_for(const Run& run, double multiply_adds) {
  return multiply_adds < kWorthThreads ? 1 : thread_count(run.threads);
}

// body(index, worker) for every index below count.
template <class Body>
inline void for_each(int threads, std::int64_t count, Body body) {
  parallel(
      threads, count,
      [](void* context, std::int64_t index, int worker) { (*static_cast<Body*>(context))(index, worker); },
      &body);
}

}  // namespace
}  // namespace horoball
