// Declarations of the Gloo types that ProcessGroupGloo.hpp names. libtorch exports Gloo's code but ships no Gloo
// header; the process group holds these types only by pointer, so their names are all that its users need.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
