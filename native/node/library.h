#pragma once

#include <napi.h>

namespace horoball::node {

// Loads a shared library by its absolute path, so that an addon that depends on it finds it already loaded.
Napi::Value dlopen_library(const Napi::CallbackInfo& info);

}  // namespace horoball::node
