// Declarations of the Gloo types in c10d's ProcessGroupGloo.hpp. libtorch exports Gloo's symbols but does not ship its
// headers; users of the process group only need pointers to these types, and the base class of its store.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
