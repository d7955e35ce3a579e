// The pool of cpu/frame/pool.h on one thread, because an instance has no others.
#include "cpu/frame/pool.h"

namespace horoball {

int thread_count(int) { return 1; }

void parallel(int, std::int64_t count, Task task, void* context) {
  for (std::int64_t index = 0; index < count; ++index) task(context, index, 0);
}

}  // namespace horoball
