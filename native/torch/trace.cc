#include "trace.h"

#include "embedder.h"
#include "tensor.h"

namespace horoball::train {
namespace {

bool all_finite(const at::Tensor& x) { return at::isfinite(x.detach()).all().item<bool>(); }

// In the order of the computation: pictures, weights, then what each part of the network makes of them.
std::string first_not_finite(EmbedderResource& model, const at::Tensor& pictures) {
  if (!all_finite(pictures)) return "the pictures";
  for (const auto& [name, value] : model.parameters()) {
    if (!all_finite(value)) return "the weight " + name;
  }
  std::string found;
  model.forward(pictures, /*train=*/false, /*class_alone=*/false, nullptr,
                [&](const std::string& name, const at::Tensor& value) {
                  if (found.empty() && !all_finite(value)) found = name;
                });
  return found;
}

// firstNotFinite(embedder, batch): Promise<string>, empty when all is finite
Napi::Value trace(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<std::string>();
  const auto work = [out, model = from<EmbedderResource>(info[0]), batch = from<TensorResource>(info[1])](
                        const Flag*) { *out = first_not_finite(*model, batch->get()); };
  const auto answer = [out](Napi::Env env) -> Napi::Value { return Napi::String::New(env, *out); };
  return room(info.Env()).lane.run({"embedder.trace"}, work, answer);
}

}  // namespace

void bind_trace(Napi::Env env, Napi::Object exports) {
  exports.Set("firstNotFinite", Napi::Function::New(env, trace, "firstNotFinite"));
}

}  // namespace horoball::train
