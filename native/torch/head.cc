#include "head.h"

namespace horoball::train {

HeadImpl::HeadImpl(std::int64_t width, const HeadConfig& config, Initial& initial)
    : config_(config), linear(width, config.dim) {
  set_curvature(config.c, false);
  register_parameter("weight", linear->weight);
  register_parameter("bias", linear->bias);
  initial.orthogonal(linear->weight);
  const torch::NoGradGuard frozen;
  linear->bias.zero_();
}

void HeadImpl::set_curvature(double value, bool learnable) {
  c = at::scalar_tensor(value, at::kDouble).requires_grad_(learnable);
}

Outputs HeadImpl::forward(const at::Tensor& body) { return outputs_of(linear(body), body); }

Outputs HeadImpl::outputs_of(const at::Tensor& z, const at::Tensor& body) const {
  const auto e = z / z.norm(2, -1, true).clamp_min(kUnitFloor);
  return {body, e, to_ball(config_.unit ? e : z)};
}

at::Tensor HeadImpl::to_ball(at::Tensor h) const {
  for (const auto& operation : config_.to_ball) h = map_rows(config_.tables, operation, config_.guards, h, c);
  return h;
}

}  // namespace horoball::train
