#include "library.h"

#include <string>

#include "bind.h"

#if defined(_WIN32)
#include <windows.h>

#include <filesystem>
#else
#include <dlfcn.h>
#endif

namespace horoball::node {
namespace {

// Empty on success, else the loader's reason. The library stays loaded for the life of the process.
std::string load(const std::string& path) {
#if defined(_WIN32)
  const std::wstring wide = std::filesystem::u8path(path).wstring();
  const bool loaded = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH) != nullptr;
  return loaded ? "" : "Windows error " + std::to_string(GetLastError());
#else
  // Local: its symbols are found through the addon's own dependency on it, never by chance.
  return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr ? dlerror() : "";
#endif
}

}  // namespace

Napi::Value dlopen_library(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const std::string why = load(path);
  if (!why.empty()) throw coded(Napi::Error::New(info.Env(), why), "ERR_HOROBALL_DLOPEN");
  return info.Env().Undefined();
}

}  // namespace horoball::node
