#include "library.h"

#include <string>

#include "../image/decode_jpeg.h"
#include "bind.h"

#if defined(_WIN32)
#include <windows.h>

#include <filesystem>
#else
#include <dlfcn.h>
#endif

namespace horoball::node {
namespace {

[[noreturn]] void fail(Napi::Env env, const std::string& why) {
  throw coded(Napi::Error::New(env, why), "ERR_HOROBALL_DLOPEN");
}

// Loads a library, which stays loaded until the process exits. Returns its handle; throws the loader's message.
void* load(Napi::Env env, const std::string& path, bool overrides) {
#if defined(_WIN32)
  static_cast<void>(overrides);
  const std::wstring wide = std::filesystem::u8path(path).wstring();
  void* const library = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (library == nullptr) fail(env, "Windows error " + std::to_string(GetLastError()));
#else
  // RTLD_LOCAL keeps the symbols out of other lookups. The addon finds them because it names the library as a
  // dependency.
  const int scope = overrides ? RTLD_GLOBAL : RTLD_LOCAL;
  void* const library = dlopen(path.c_str(), RTLD_NOW | scope);
  if (library == nullptr) fail(env, dlerror());
#endif
  return library;
}

}  // namespace

Napi::Value dlopen_library(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const auto path = in.take<std::string>();
  load(info.Env(), path, in.take<bool>());
  return info.Env().Undefined();
}

Napi::Value open_jpeg_decoder(const Napi::CallbackInfo& info) {
  const auto path = Arguments(info).take<std::string>();
#if defined(_WIN32)
  fail(info.Env(), "JPEG decoders are not loaded on Windows");
#else
  void* const function = dlsym(load(info.Env(), path, false), "horoball_decode_jpeg");
  if (function == nullptr) fail(info.Env(), dlerror());
  image::set_jpeg_decoder(reinterpret_cast<image::JpegDecoder>(function));
  return info.Env().Undefined();
#endif
}

}  // namespace horoball::node
