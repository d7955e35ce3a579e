#pragma once

#include <napi.h>

namespace horoball::node {

// Loads a shared library by its absolute path, so that an addon that needs it finds it already there.
Napi::Value dlopen_library(const Napi::CallbackInfo& info);

}  // namespace horoball::node
