// Runs callables on worker threads, and decides how many threads a call uses.
#pragma once

#include "core.h"
#include "cpu/frame/pool.h"

namespace horoball {
namespace {

// Waking a thread takes a few microseconds: below this many multiply-adds, a call runs only on the calling thread.
constexpr double kWorthThreads = 2e6;

inline int threads_for(const Run& run, double multiply_adds) {
  return multiply_adds < kWorthThreads ? 1 : thread_count(run.threads);
}

// Calls body(index, worker) for every index below count.
template <class Body>
inline void for_each(int threads, std::int64_t count, Body body) {
  const Task task = [](void* context, std::int64_t index, int worker) {
    (*static_cast<Body*>(context))(index, worker);
  };
  if (count == 1) return task(&body, 0, 0);
  parallel(threads, count, task, &body);
}

}  // namespace
}  // namespace horoball
