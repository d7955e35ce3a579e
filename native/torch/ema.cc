#include "ema.h"

#include "tensor.h"

namespace horoball::train {

void EmaResource::attach(const EmbedderResource& model) {
  std::int64_t bytes = 0;
  for (const auto& [name, value] : model.parameters()) {
    if (!value.requires_grad()) continue;
    weights_.push_back(value);
    averages_.push_back(value.detach().clone());
    bytes += static_cast<std::int64_t>(value.nbytes());
  }
  holds(bytes);
}

void EmaResource::update(double decay) {
  const torch::NoGradGuard frozen;
  for (std::size_t i = 0; i < weights_.size(); ++i) averages_[i].lerp_(weights_[i], 1 - decay);
}

void EmaResource::swap() {
  const torch::NoGradGuard frozen;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const auto average = averages_[i].clone();
    averages_[i].copy_(weights_[i]);
    weights_[i].copy_(average);
  }
}

void EmaResource::read(const std::vector<Span<float>>& to) const {
  for (std::size_t i = 0; i < averages_.size(); ++i) copy_out(averages_[i], to.at(i));
}

void EmaResource::write(const std::vector<Span<float>>& from) {
  for (std::size_t i = 0; i < averages_.size(); ++i) copy_in(from.at(i), averages_[i]);
}

namespace {

// ema(embedder)
Napi::Value ema(const Napi::CallbackInfo& info) {
  const auto average = make<EmaResource>(info.Env());
  const auto work = [average, model = from<EmbedderResource>(info[0])](const Flag*) {
    average->attach(*model);
  };
  room(info.Env()).lane.post({"ema.create"}, work);
  return wrap_resource(info.Env(), average);
}

// updateEma(ema, decay)
void update_ema(const Napi::CallbackInfo& info) {
  const auto work = [average = from<EmaResource>(info[0]), decay = number(info[1])](const Flag*) {
    average->update(decay);
  };
  room(info.Env()).lane.post({"ema.update"}, work);
}

// swapEma(ema)
void swap_ema(const Napi::CallbackInfo& info) {
  const auto work = [average = from<EmaResource>(info[0])](const Flag*) { average->swap(); };
  room(info.Env()).lane.post({"ema.swap"}, work);
}

// readEma(ema, out, cancel): Promise<void>
Napi::Value read_ema(const Napi::CallbackInfo& info) {
  Call call{"ema.state", cancel_from(info[2])};
  const auto to = float_arrays(info[1], call.held);
  const auto work = [to, average = from<EmaResource>(info[0])](const Flag*) { average->read(to); };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

// writeEma(ema, values, cancel): Promise<void>
Napi::Value write_ema(const Napi::CallbackInfo& info) {
  Call call{"ema.loadState", cancel_from(info[2])};
  const auto values = float_arrays(info[1], call.held);
  const auto work = [values, average = from<EmaResource>(info[0])](const Flag*) { average->write(values); };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

}  // namespace

void bind_ema(Napi::Env env, Napi::Object exports) {
  exports.Set("ema", Napi::Function::New(env, ema, "ema"));
  exports.Set("updateEma", Napi::Function::New(env, update_ema, "updateEma"));
  exports.Set("swapEma", Napi::Function::New(env, swap_ema, "swapEma"));
  exports.Set("readEma", Napi::Function::New(env, read_ema, "readEma"));
  exports.Set("writeEma", Napi::Function::New(env, write_ema, "writeEma"));
}

}  // namespace horoball::train
