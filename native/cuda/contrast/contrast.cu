// The contrastive loss in float32. contrast_double.cu is the same in float64: two files compile in parallel.
#include "cuda/contrast/contrast.h"

#include "cuda/families.h"

namespace horoball::gpu {

Status contrast_double(int device, const ContrastArgs& args, const Run& run);

Status contrast(int device, const ContrastArgs& args, const Run& run) {
  if (args.part != nullptr)
    return {Code::unsupported, "CUDA devices do not support a loss that is divided among ranks"};
  return args.type == Type::f32 ? contrast_of<float>(device, args, run) : contrast_double(device, args, run);
}

}  // namespace horoball::gpu
