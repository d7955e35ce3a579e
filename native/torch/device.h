// Resolves devices by name.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace horoball::train {

// Returns the device with the name `cpu`, `cuda` or `cuda:N`. Throws ERR_HOROBALL_DEVICE if the CUDA device does not exist.
c10::Device device_from(const std::string& name);

}  // namespace horoball::train
