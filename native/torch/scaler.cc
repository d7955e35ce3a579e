#include "scaler.h"

#include <algorithm>
#include <cmath>

#include "exports.h"

namespace horoball::train {

namespace {

// The scale and its inverse must be finite, nonzero float32 numbers. The limits are those of `lib/check.ts`.
constexpr double kMaxScale = 0x1p127;
constexpr double kMinScale = 0x1p-126;

}  // namespace

void ScalerResource::unscale(AdamWResource& optimizer) {
  if (unscaled_) return;
  optimizer.scale_gradients(1 / state_.scale);
  unscaled_ = true;
}

void ScalerResource::step(AdamWResource& optimizer, double lr) {
  unscale(optimizer);
  state_.overflowed = !std::isfinite(optimizer.grad_norm());
  if (state_.overflowed) {
    ++state_.skipped;
  } else {
    optimizer.step(lr);
  }
}

void ScalerResource::update() {
  unscaled_ = false;
  if (state_.overflowed) {
    state_.scale = std::max(state_.scale * config_.backoff, kMinScale);
    state_.good_steps = 0;
  } else if (++state_.good_steps == config_.interval) {
    state_.scale = std::min(state_.scale * config_.growth, kMaxScale);
    state_.good_steps = 0;
  }
}

void ScalerResource::load(double scale, std::int64_t good_steps, std::int64_t skipped) {
  state_ = {scale, good_steps, skipped, state_.overflowed};
}

Napi::Value to_js(Napi::Env env, const ScalerState& state) {
  auto out = Napi::Object::New(env);
  out.Set("scale", state.scale);
  out.Set("goodSteps", static_cast<double>(state.good_steps));
  out.Set("skipped", static_cast<double>(state.skipped));
  out.Set("overflowed", state.overflowed);
  return out;
}

void bind_scaler(Exports& exports) {
  exports.makes<ScalerResource>("scaler", "scaler.create", &ScalerResource::configure, "scaler", "options");
  exports.posts("unscale", "scaler.unscale", &ScalerResource::unscale, "scaler", "optimizer");
  exports.posts("stepScaled", "scaler.step", &ScalerResource::step, "scaler", "optimizer", "lr");
  exports.posts("updateScale", "scaler.update", &ScalerResource::update, "scaler");
  exports.answers("readScaler", "scaler.state", &ScalerResource::state, "scaler");
  exports.posts("writeScaler", "scaler.loadState", &ScalerResource::load, "scaler", "scale", "goodSteps",
                "skipped");
}

}  // namespace horoball::train
