// Declarations of the Gloo types in c10d's ProcessGroupGloo.hpp. libtorch exports Gloo's symbols but does not ship its
// headers. Code that uses the process group needs only pointers to these types, and the base class of GlooStore.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
