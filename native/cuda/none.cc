// The CUDA table of a build without CUDA: it refuses, and says why.
#include <cstdio>

#include "core.h"

namespace horoball {

const Backend* cuda(int, Status* why) {
  if (why != nullptr) {
    why->code = Code::unsupported;
    std::snprintf(why->message, sizeof why->message, "this build of horoball has no CUDA kernels");
  }
  return nullptr;
}

}  // namespace horoball
