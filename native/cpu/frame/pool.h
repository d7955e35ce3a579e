// A pool of worker threads that outlives the calls. No templates, so that it is compiled once and not for
// each ISA level.
#pragma once

#include <cstdint>

namespace horoball {

using Task = void (*)(void* context, std::int64_t index, int worker);

// Returns the number of threads to use, at most 256, if `wanted` are requested: 0 requests one per processor of the machine.
int thread_count(int wanted);

// Runs task(context, index, worker) for every index below `count` on up to `threads` threads, including the
// calling one, and returns when all are done. Indices are handed out in ascending order, one at a time, so a
// task may wait for one with a lower index. `worker` is below `threads` and identifies the scratch memory of a
// thread.
void parallel(int threads, std::int64_t count, Task task, void* context);

}  // namespace horoball
