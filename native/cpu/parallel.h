// A pool of threads that outlives the calls. Plain functions, so that it is compiled once and not per ISA
// level.
#pragma once

#include <cstdint>

namespace horoball {

using Task = void (*)(void* context, std::int64_t index, int worker);

// The number of threads that `wanted` means: 0 is as many as the machine has.
int thread_count(int wanted);

// Runs task(context, index, worker) for every index below `count` on up to `threads` threads, the caller
// among them, and returns when all are done. Indices are handed out in ascending order, one at a time, so a
// task may wait for one with a lower index. `worker` is below `threads` and names the thread's own working
// memory.
void parallel(int threads, std::int64_t count, Task task, void* context);

}  // namespace horoball
