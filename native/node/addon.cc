// The exports of core.node: the functions of native/bind/calls.h, cancellation, tables, file locks, the loading of libraries,
// and information. No arithmetic here.
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "../bind/calls.h"
#include "../core.h"
#include "bind.h"
#include "file_lock.h"
#include "job.h"
#include "library.h"

namespace horoball::node {
namespace {

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value checked(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return function(info); });
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<checked<function>>(exports.Env(), name));
}

// Adds the functions of bind::add_functions to the exports.
struct Exports {
  Napi::Object object;
  template <Napi::Value (*function)(const Napi::CallbackInfo&)>
  void add(const char* name) {
    node::add<function>(object, name);
  }
};

// ---- Cancellation, tables and information ----

Napi::Value cancel(const Napi::CallbackInfo& info) {
  auto& jobs = state(info.Env()).jobs;
  const auto found = jobs.find(Arguments(info).take<std::uint32_t>());
  if (found != jobs.end()) found->second->cancel();
  return info.Env().Undefined();
}

// Returns the function table of a device (a number) or of an ISA level ("avx2", ...) to an addon that is built separately;
// null if unavailable.
Napi::Value backend_handle(const Napi::CallbackInfo& info) {
  Status why;
  Arguments in(info);
  const Backend* found =
      info[0].IsString() ? cpu(in.take<std::string>().c_str()) : bind::backend(in.take<int>(), why);
  if (found == nullptr) return info.Env().Null();
  auto handle = Napi::External<Backend>::New(info.Env(), const_cast<Backend*>(found));
  napi_type_tag_object(info.Env(), handle, &kBackendTag);
  return handle;
}

Napi::Object cpu_info(Napi::Env env) {
  auto out = Napi::Object::New(env);
  const Backend* best = cpu();
  out.Set("level", best == nullptr ? env.Null() : Napi::String::New(env, best->name));
  auto levels = Napi::Array::New(env);
  for (int i = 0; const Backend* level = cpu_level(i); ++i) levels.Set(levels.Length(), level->name);
  out.Set("levels", levels);
  out.Set("threads", std::thread::hardware_concurrency());
  return out;
}

Napi::Float64Array call_buffer(Napi::Env env) {
  constexpr std::size_t kNumbers = 256;
  auto array = Napi::Float64Array::New(env, kNumbers);
  state(env).call_buffer = Napi::Persistent(array);
  state(env).doubles = {array.Data(), kNumbers};
  return array;
}

Napi::Array row_call_names(Napi::Env env) {
  auto names = Napi::Array::New(env);
  for (const char* name : bind::row_call::kNames) names.Set(names.Length(), name);
  return names;
}

// Adds a property whose text is generated when it is read: few programs need these texts, and generating them would load
// otherwise unused code from disk.
template <const char* (*text)()>
void add_text(Napi::Object exports, const char* name) {
  const auto get = [](const Napi::CallbackInfo& info) -> Napi::Value {
    return Napi::String::New(info.Env(), text());
  };
  exports.DefineProperty(
      Napi::PropertyDescriptor::Accessor(exports.Env(), exports, name, get, napi_enumerable));
}

Napi::Value describe_calls(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), bind::Described::describe());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new State);
  exports.Set("callBuffer", call_buffer(env));
  Exports functions{exports};
  bind::add_functions<Arguments>(functions);
  add<cancel>(exports, "cancel");
  add<backend_handle>(exports, "backend");
  add<dlopen_library>(exports, "dlopenLibrary");
  add<open_jpeg_decoder>(exports, "openJpegDecoder");
  add<lock_file>(exports, "lockFile");
  add<unlock_file>(exports, "unlockFile");
  add<describe_calls>(exports, "describeCalls");
  exports.Set("cpu", cpu_info(env));
  exports.Set("abi", kAbi);
  exports.Set("rowCall", row_call_names(env));
  exports.Set("shortData", bind::kShortData);
  add_text<row_cards>(exports, "rowCards");
  add_text<head_cards>(exports, "headCards");
  add_text<metric_cards>(exports, "metricCards");
  add_text<geometry_cards>(exports, "geometryCards");
  add_text<loss_cards>(exports, "lossCards");
  add_text<logit_parameters>(exports, "logitParameters");
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)

}  // namespace
}  // namespace horoball::node
