// Devices by their names.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace horoball::train {

// `cpu`, `cuda` or `cuda:N`. Throws ERR_HOROBALL_DEVICE for a CUDA device that is not there.
c10::Device device_from(const std::string& name);

}  // namespace horoball::train
