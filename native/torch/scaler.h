// The gradient scaler of float16 training (Micikevicius et al. 2018, arXiv 1710.03740).
#pragma once

#include "optim.h"
#include "room.h"

namespace horoball::train {

struct ScalerConfig {
  double scale = 65536;
  double growth = 2;
  double backoff = 0.5;
  std::int64_t interval = 2000;  // good steps in a row before the scale grows
};

// Multiplies the loss so that small gradients do not vanish in float16. A step with a gradient that is not
// finite is left out, and the scale falls.
class ScalerResource : public Resource {
 public:
  ScalerResource(std::shared_ptr<Ledger> ledger, const ScalerConfig& config)
      : Resource(std::move(ledger)), config_(config), scale_(config.scale) {}

  double scale() const { return scale_; }
  std::int64_t good_steps() const { return good_; }
  std::int64_t skipped() const { return skipped_; }
  bool overflowed() const { return overflowed_; }

  void unscale(AdamWResource& optimizer);
  void step(AdamWResource& optimizer, double lr);
  void update();
  void load(double scale, std::int64_t good, std::int64_t skipped);

 private:
  ScalerConfig config_;
  double scale_;
  std::int64_t good_ = 0, skipped_ = 0;
  bool unscaled_ = false;    // in this step
  bool overflowed_ = false;  // in the last one
};

void bind_scaler(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
