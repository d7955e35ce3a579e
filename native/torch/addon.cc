// The training addon's door to Node.
#include <napi.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "cache.h"
#include "ema.h"
#include "embedder.h"
#include "loss.h"
#include "optim.h"
#include "room.h"
#include "scaler.h"
#include "tensor.h"
#include "trace.h"

namespace horoball::train {
namespace {

// Of the library that is loaded; the headers only know the one that this was built with.
std::string library_version() {
  const std::string key = "TORCH_VERSION=", config = at::show_config();
  const auto start = config.find(key);
  if (start == std::string::npos) return "unknown";
  const auto from = start + key.size();
  return config.substr(from, config.find_first_of(", \n", from) - from);
}

std::string header_version() {
  return std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
         std::to_string(TORCH_VERSION_PATCH);
}

// Some builds (Debian's) start with one thread; nobody who says nothing wants that.
void use_all_threads() {
  if (at::get_num_threads() > 1 || std::getenv("OMP_NUM_THREADS") != nullptr) return;
  at::set_num_threads(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

// open(backend, [cuda]): hands over the core's tables: the CPU's, and one a CUDA device.
void open(const Napi::CallbackInfo& info) {
  room(info.Env()).backend = node::backend_from(info[0]);
  const auto tables = info[1].As<Napi::Array>();
  for (std::uint32_t i = 0; i < tables.Length(); ++i) {
    room(info.Env()).cuda.push_back(node::backend_from(tables.Get(i)));
  }
  room(info.Env()).lane.post({"open"}, [](const Flag*) { use_all_threads(); });
}

Napi::Value info_of_library(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("cuda", torch::cuda::is_available());
  result.Set("threads", at::get_num_threads());
  return result;
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  const Ledger& ledger = *room(info.Env()).ledger;
  auto result = Napi::Object::New(info.Env());
  result.Set("handles", static_cast<double>(ledger.handles));
  result.Set("bytes", static_cast<double>(ledger.bytes));
  return result;
}

void manual_seed(const Napi::CallbackInfo& info) {
  const auto seed = static_cast<std::uint64_t>(number(info[0]));
  room(info.Env()).lane.post({"manualSeed"}, [seed](const Flag*) { torch::manual_seed(seed); });
}

void set_threads(const Napi::CallbackInfo& info) {
  const auto threads = static_cast<int>(number(info[0]));
  room(info.Env()).lane.post({"setThreads"}, [threads](const Flag*) { at::set_num_threads(threads); });
}

// close(): waits for the operation that is running and takes no more. process.exit does not run the clean-up
// hooks of the main thread, but the destructors of libtorch's statics, under which the lane must not work on.
void close(const Napi::CallbackInfo& info) { room(info.Env()).lane.close(); }

void bind_room(Napi::Env env, Napi::Object exports) {
  exports.Set("version", library_version());
  exports.Set("builtVersion", header_version());
  exports.Set("open", Napi::Function::New(env, open, "open"));
  exports.Set("close", Napi::Function::New(env, close, "close"));
  exports.Set("info", Napi::Function::New(env, info_of_library, "info"));
  exports.Set("memory", Napi::Function::New(env, memory, "memory"));
  exports.Set("manualSeed", Napi::Function::New(env, manual_seed, "manualSeed"));
  exports.Set("setThreads", Napi::Function::New(env, set_threads, "setThreads"));
  exports.Set("dispose", Napi::Function::New(env, dispose, "dispose"));
  exports.Set("cancelFlag", Napi::Function::New(env, cancel_flag, "cancelFlag"));
  exports.Set("cancel", Napi::Function::New(env, cancel, "cancel"));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new std::shared_ptr<Room>(std::make_shared<Room>(env)));
  bind_room(env, exports);
  bind_tensors(env, exports);
  bind_embedder(env, exports);
  bind_state(env, exports);
  bind_loss(env, exports);
  bind_optim(env, exports);
  bind_scaler(env, exports);
  bind_ema(env, exports);
  bind_cache(env, exports);
  bind_trace(env, exports);
  return exports;
}

}  // namespace
}  // namespace horoball::train

using horoball::train::init;
NODE_API_MODULE(train, init)
