// The CUDA backend of a build without CUDA: it reports that CUDA is not supported.
#include <cstdio>

#include "core.h"

namespace horoball {

const Backend* cuda(int, Status* why) {
  if (why != nullptr) {
    why->code = Code::unsupported;
    std::snprintf(why->message, sizeof why->message,
                  "this build of horoball has no CUDA kernels. Use device 'cpu' or 'auto'.");
  }
  return nullptr;
}

}  // namespace horoball
