#include "head.h"

namespace horoball::train {
namespace {

// Far below any norm that float32 arithmetic gives a nonzero vector of use; keeps 0 / 0 out.
constexpr double kTiny = 1e-12;
constexpr double kHypmixTiny = 1e-5;
constexpr double kHypmixTanhLimit = 15;
constexpr double kBallMargin = 1e-3;

at::Tensor norm_of(const at::Tensor& x) { return x.norm(2, -1, true); }

}  // namespace

HeadImpl::HeadImpl(std::int64_t width, const HeadConfig& config, Initial& initial)
    : config_(config), linear(width, config.dim) {
  set_curvature(config.c, false);
  register_parameter("weight", linear->weight);
  register_parameter("bias", linear->bias);
  initial.orthogonal(linear->weight);
  const torch::NoGradGuard frozen;
  linear->bias.zero_();
}

void HeadImpl::set_curvature(double value, bool learnt) {
  c = at::scalar_tensor(value, at::kDouble).requires_grad_(learnt);
}

Outputs HeadImpl::forward(const at::Tensor& body) {
  const auto z = linear(body);
  const auto e = z / norm_of(z).clamp_min(kTiny);
  return {body, e, to_ball(config_.unit ? e : z)};
}

at::Tensor HeadImpl::to_ball(const at::Tensor& u) const {
  const bool hypmix = config_.hypmix_guards;
  const double tiny = hypmix ? kHypmixTiny : kTiny;
  const auto root = c.sqrt();
  auto clipped = u;
  if (config_.clip) {
    const auto norm = hypmix ? norm_of(u) + kHypmixTiny : norm_of(u).clamp_min(tiny);
    clipped = u * (*config_.clip / norm).clamp_max(1);
  }
  const auto scaled = norm_of(clipped).clamp_min(tiny) * root;
  const auto argument = hypmix ? scaled.clamp_max(kHypmixTanhLimit) : scaled;
  const auto point = clipped * (argument.tanh() / scaled);
  const auto rim = (1 - kBallMargin) / root;
  const auto radius = norm_of(point).clamp_min(tiny);
  return at::where(radius > rim, point * (rim / radius), point);
}

}  // namespace horoball::train
