#pragma once

#include <napi.h>

namespace horoball::node {

// Loads a shared library by its absolute path, so that an addon that depends on it finds it already loaded. The second
// argument says whether libraries that are loaded later use its symbols instead of their own.
Napi::Value dlopen_library(const Napi::CallbackInfo& info);

// Loads a JPEG decoder from its absolute path. The function decodeJpeg then uses it in all environments (the main thread and
// workers). Always throws on Windows.
Napi::Value open_jpeg_decoder(const Napi::CallbackInfo& info);

}  // namespace horoball::node
