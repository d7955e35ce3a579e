#include "cuda/contrast/contrast.h"

namespace horoball::gpu {

Status contrast_double(int device, const ContrastArgs& args, const Run& run) {
  return contrast_of<double>(device, args, run);
}

}  // namespace horoball::gpu
