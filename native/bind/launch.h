// How a bound call runs.
#pragma once

#include <cstdint>
#include <string>

#include "fields.h"

namespace horoball::bind {

inline constexpr int kMaxThreads = 1024;

// The number of threads (0: all) and the ID of the job (0: synchronous, on this thread).
struct Launch {
  int threads = 0;
  std::uint32_t job = 0;
};

// A check that runs before the work, on the same thread, and the `expected` part of its error message.
template <class Holds>
struct Check {
  Holds holds;
  const char* expected;
};
inline constexpr Check kNoCheck{[] { return true; }, ""};

// Reads the number of threads and the job, which are the last two arguments of most bound functions.
template <class In>
Launch launch_of(In& in) {
  const auto threads = in.template take<int>();
  in.require(threads >= 0 && threads <= kMaxThreads, "a valid number of threads");
  return {threads, in.template take<std::uint32_t>()};
}
inline std::string describe_launch() {
  return described("threads", "number") + "," + described("job", "number");
}

}  // namespace horoball::bind
