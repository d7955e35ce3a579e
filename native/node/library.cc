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

// Loads a library, which stays loaded until the process exits. Returns an empty string, or the error message of the
// loader.
std::string load(const std::string& path, bool overrides) {
#if defined(_WIN32)
  static_cast<void>(overrides);
  const std::wstring wide = std::filesystem::u8path(path).wstring();
  const bool loaded = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH) != nullptr;
  return loaded ? "" : "Windows error " + std::to_string(GetLastError());
#else
  // RTLD_LOCAL keeps the symbols out of other lookups. The addon finds them because it names the library as a
  // dependency.
  const int scope = overrides ? RTLD_GLOBAL : RTLD_LOCAL;
  return dlopen(path.c_str(), RTLD_NOW | scope) == nullptr ? dlerror() : "";
#endif
}

}  // namespace

Napi::Value dlopen_library(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const auto path = in.take<std::string>();
  const std::string why = load(path, in.take<bool>());
  if (!why.empty()) throw coded(Napi::Error::New(info.Env(), why), "ERR_HOROBALL_DLOPEN");
  return info.Env().Undefined();
}

}  // namespace horoball::node
