// The contrastive loss in float32. contrast_double.cu is the same in float64, so the two compile in parallel.
#include "cuda/contrast/contrast.h"

#include "cuda/families.h"

namespace horoball::gpu {

Status contrast_double(int device, const ContrastArgs& args, const Run& run);

Status contrast(int device, const ContrastArgs& args, const Run& run) {
  if (args.part != nullptr) return {Code::unsupported, "a loss is not divided among ranks on a device"};
  return args.type == Type::f32 ? contrast_of<float>(device, args, run) : contrast_double(device, args, run);
}

}  // namespace horoball::gpu
