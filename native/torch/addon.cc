// The exports of train.node.
#include <napi.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "cache.h"
#include "distributed.h"
#include "ema.h"
#include "embedder.h"
#include "exports.h"
#include "loss.h"
#include "optim.h"
#include "proxies.h"
#include "scaler.h"
#include "tensor.h"
#include "trace.h"
#include "tree.h"

namespace horoball::train {
namespace {

// Returns the version of the loaded libtorch. The headers give the version that the addon was built with.
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

// Uses all processors if libtorch defaults to one thread, as some builds (Debian's) do, and OMP_NUM_THREADS is not set.
void use_all_threads() {
  if (at::get_num_threads() > 1 || std::getenv("OMP_NUM_THREADS") != nullptr) return;
  at::set_num_threads(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

struct LibraryInfo {
  static constexpr const char* kTypeScript = "LibraryInfo";
  bool cuda;
  int threads;
};

Napi::Value to_js(Napi::Env env, const LibraryInfo& info) {
  auto out = Napi::Object::New(env);
  out.Set("cuda", info.cuda);
  out.Set("threads", info.threads);
  return out;
}

struct MemoryInfo {
  static constexpr const char* kTypeScript = "TorchMemory";
  double handles, bytes;
};

Napi::Value to_js(Napi::Env env, const MemoryInfo& info) {
  auto out = Napi::Object::New(env);
  out.Set("handles", info.handles);
  out.Set("bytes", info.bytes);
  return out;
}

MemoryInfo memory(Environment& here) {
  return {static_cast<double>(here.ledger->handles), static_cast<double>(here.ledger->bytes)};
}

void open(Environment& here, const Backend* backend, const std::vector<const Backend*>& cuda) {
  here.tables = {backend, cuda};
  here.lane.post({"open"}, [](const Flag*) { use_all_threads(); });
}

void raise(const Cancel& cancel) {
  if (cancel != nullptr) cancel->store(true, std::memory_order_relaxed);
}

std::string signatures();

void bind_environment(Exports& exports) {
  exports.calls("signatures", signatures);
  exports.calls("open", open, "backend", "cuda");
  // Waits for the running operation; later calls do nothing. process.exit does not run the clean-up hooks of the
  // main thread, but it does run the destructors of libtorch's statics, which the lane must not outlive.
  exports.calls("close", [](Environment& here) { here.lane.close(); });
  exports.calls("info", [] { return LibraryInfo{torch::cuda::is_available(), at::get_num_threads()}; });
  exports.calls("memory", memory);
  exports.calls(
      "dispose", [](Handle* handle) { handle->release(); }, "handle");
  exports.calls("cancelFlag", [] { return std::make_shared<Flag>(false); });
  exports.calls("cancel", raise, "flag");
  exports.posts(
      "manualSeed", "manualSeed", [](std::uint64_t seed) { torch::manual_seed(seed); }, "seed");
  exports.answers("idle", "lane", [] {});
  exports.posts(
      "setThreads", "setThreads", [](int threads) { at::set_num_threads(threads); }, "threads");
}

void bind(Exports& exports) {
  for (const auto bind_part :
       {bind_environment, bind_tensors, bind_embedder, bind_state, bind_loss, bind_proxies, bind_optim,
        bind_scaler, bind_ema, bind_cache, bind_trace, bind_tree, bind_distributed}) {
    bind_part(exports);
  }
}

// Returns the signatures of all exports, in TypeScript.
std::string signatures() {
  std::string text;
  Exports exports(&text);
  bind(exports);
  return text;
}

Napi::Object init(Napi::Env env, Napi::Object to) {
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>(env)));
  to.Set("version", library_version());
  to.Set("builtVersion", header_version());
  Exports exports(env, to);
  bind(exports);
  return to;
}

}  // namespace
}  // namespace horoball::train

using horoball::train::init;
NODE_API_MODULE(train, init)
