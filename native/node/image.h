#pragma once

#include <napi.h>

namespace horoball::node {

// Crop, resize and mirror a picture: native/image/resample.h. At once or as a job.
Napi::Value resample(const Napi::CallbackInfo& info);

}  // namespace horoball::node
