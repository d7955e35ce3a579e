#include "device.h"

#include <torch/cuda.h>

#include "lane.h"

namespace horoball::train {

c10::Device device_from(const std::string& name) {
  const c10::Device device(name);
  if (!device.is_cuda()) return device;
  const auto count = static_cast<int>(torch::cuda::device_count());
  const int index = device.has_index() ? device.index() : 0;
  if (index < count) return device;
  const std::string why = count == 0
                              ? "libtorch was built without CUDA, or the GPU or its driver is missing. "
                                "Use device 'cpu' or 'auto'. To use a GPU, install torch with CUDA and run "
                                "`LIBTORCH_USE_PYTORCH=1 npx horoball setup`."
                              : "devices are numbered from 0 to " + std::to_string(count - 1);
  throw CodedError("ERR_HOROBALL_DEVICE", "CUDA device " + std::to_string(index) + " not found: " + why);
}

}  // namespace horoball::train
