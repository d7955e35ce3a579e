#include "scaler.h"

#include <cmath>

namespace horoball::train {

void ScalerResource::unscale(AdamWResource& optimizer) {
  if (unscaled_) return;
  optimizer.scale_gradients(1 / scale_);
  unscaled_ = true;
}

void ScalerResource::step(AdamWResource& optimizer, double lr) {
  unscale(optimizer);
  overflowed_ = !std::isfinite(optimizer.grad_norm());
  if (overflowed_) {
    ++skipped_;
  } else {
    optimizer.step(lr);
  }
}

void ScalerResource::update() {
  unscaled_ = false;
  if (overflowed_) {
    scale_ *= config_.backoff;
    good_ = 0;
  } else if (++good_ == config_.interval) {
    scale_ *= config_.growth;
    good_ = 0;
  }
}

void ScalerResource::load(double scale, std::int64_t good, std::int64_t skipped) {
  scale_ = scale;
  good_ = good;
  skipped_ = skipped;
}

namespace {

// scaler(options)
Napi::Value scaler(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  const ScalerConfig config{number(options.Get("scale")), number(options.Get("growth")),
                            number(options.Get("backoff")),
                            static_cast<std::int64_t>(number(options.Get("interval")))};
  return wrap_resource(info.Env(), make<ScalerResource>(info.Env(), config));
}

// unscale(scaler, optimizer)
void unscale(const Napi::CallbackInfo& info) {
  const auto work = [scaler = from<ScalerResource>(info[0]),
                     optimizer = from<AdamWResource>(info[1])](const Flag*) { scaler->unscale(*optimizer); };
  room(info.Env()).lane.post({"scaler.unscale"}, work);
}

// stepScaled(scaler, optimizer, lr)
void step_scaled(const Napi::CallbackInfo& info) {
  const auto work = [scaler = from<ScalerResource>(info[0]), optimizer = from<AdamWResource>(info[1]),
                     lr = number(info[2])](const Flag*) { scaler->step(*optimizer, lr); };
  room(info.Env()).lane.post({"scaler.step"}, work);
}

// updateScale(scaler)
void update_scale(const Napi::CallbackInfo& info) {
  const auto work = [scaler = from<ScalerResource>(info[0])](const Flag*) { scaler->update(); };
  room(info.Env()).lane.post({"scaler.update"}, work);
}

struct ScalerState {
  double scale, good, skipped;
  bool overflowed;
};

// readScaler(scaler, cancel): Promise<{ scale, goodSteps, skipped, overflowed }>
Napi::Value read_scaler(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<ScalerState>();
  const auto work = [out, scaler = from<ScalerResource>(info[0])](const Flag*) {
    *out = {scaler->scale(), static_cast<double>(scaler->good_steps()),
            static_cast<double>(scaler->skipped()), scaler->overflowed()};
  };
  const auto answer = [out](Napi::Env env) -> Napi::Value {
    auto state = Napi::Object::New(env);
    state.Set("scale", out->scale);
    state.Set("goodSteps", out->good);
    state.Set("skipped", out->skipped);
    state.Set("overflowed", out->overflowed);
    return state;
  };
  return room(info.Env()).lane.run({"scaler.state", cancel_from(info[1])}, work, answer);
}

// writeScaler(scaler, scale, goodSteps, skipped)
void write_scaler(const Napi::CallbackInfo& info) {
  const auto work = [scaler = from<ScalerResource>(info[0]), scale = number(info[1]),
                     good = static_cast<std::int64_t>(number(info[2])),
                     skipped = static_cast<std::int64_t>(number(info[3]))](const Flag*) {
    scaler->load(scale, good, skipped);
  };
  room(info.Env()).lane.post({"scaler.loadState"}, work);
}

}  // namespace

void bind_scaler(Napi::Env env, Napi::Object exports) {
  exports.Set("scaler", Napi::Function::New(env, scaler, "scaler"));
  exports.Set("unscale", Napi::Function::New(env, unscale, "unscale"));
  exports.Set("stepScaled", Napi::Function::New(env, step_scaled, "stepScaled"));
  exports.Set("updateScale", Napi::Function::New(env, update_scale, "updateScale"));
  exports.Set("readScaler", Napi::Function::New(env, read_scaler, "readScaler"));
  exports.Set("writeScaler", Napi::Function::New(env, write_scaler, "writeScaler"));
}

}  // namespace horoball::train
