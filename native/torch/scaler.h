// The gradient scaler of float16 training (Micikevicius et al. 2018, arXiv 1710.03740).
#pragma once

#include "environment.h"
#include "optim.h"

namespace horoball::train {

struct ScalerConfig {
  static constexpr const char* kTypeScript = "ScalerNumbers";
  double scale = 65536;
  double growth = 2;
  double backoff = 0.5;
  std::int64_t interval = 2000;  // consecutive good steps before the scale grows
};

struct ScalerState {
  static constexpr const char* kTypeScript = "ScalerReading";
  double scale = 0;
  std::int64_t good_steps = 0;  // consecutive
  std::int64_t skipped = 0;     // in total
  bool overflowed = false;      // in the last step
};

// Keeps the scale by which the loss is multiplied, so that small gradients do not underflow in float16. A step with a
// non-finite gradient is skipped, and the scale is reduced.
class ScalerResource : public Resource {
 public:
  static constexpr const char* kKind = "Scaler";
  using Resource::Resource;

  void configure(const ScalerConfig& config) {
    config_ = config;
    state_.scale = config.scale;
  }

  const ScalerState& state() const { return state_; }

  void unscale(AdamWResource& optimizer);
  void step(AdamWResource& optimizer, double lr);
  void update();
  void load(double scale, std::int64_t good_steps, std::int64_t skipped);

 private:
  ScalerConfig config_;
  ScalerState state_;
  bool unscaled_ = false;  // in this step
};

Napi::Value to_js(Napi::Env env, const ScalerState& state);
void bind_scaler(Exports& exports);

}  // namespace horoball::train

namespace horoball::node {

template <>
inline constexpr auto kProperties<train::ScalerConfig> =
    bind::FieldList<bind::Field<"scale", &train::ScalerConfig::scale>,
                    bind::Field<"growth", &train::ScalerConfig::growth>,
                    bind::Field<"backoff", &train::ScalerConfig::backoff>,
                    bind::Field<"interval", &train::ScalerConfig::interval>>{};

}  // namespace horoball::node
