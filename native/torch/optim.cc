#include "optim.h"

#include <torch/version.h>

#include <cmath>

#include "exports.h"

namespace horoball::train {

void AdamWResource::attach(const EmbedderResource& model, const AdamWConfig& config,
                           const ProxiesResource* proxies) {
  config_ = config;
  for (const auto& [name, value] : model.parameters()) {
    if (value.requires_grad()) add(name, value);
  }
  if (proxies != nullptr) add("proxies", proxies->rows());
  std::int64_t bytes = 0;
  for (const auto& slot : slots_) bytes += 2 * static_cast<std::int64_t>(slot.parameter.nbytes());
  holds(bytes);
}

void AdamWResource::add(const std::string& name, const at::Tensor& value) {
  const auto at = slots_.size();
  const torch::NoGradGuard frozen;
  slots_.push_back({name, config_.rates.at(at), config_.decays.at(at), value, at::zeros_like(value),
                    at::zeros_like(value), at::zeros({}, value.options().requires_grad(false))});
}

std::vector<at::Tensor> AdamWResource::gradients() const {
  std::vector<at::Tensor> made;
  for (const auto& slot : slots_) {
    if (slot.parameter.grad().defined()) made.push_back(slot.parameter.grad());
  }
  return made;
}

at::Tensor AdamWResource::norm() const {
  const auto made = gradients();
  return made.empty() ? at::zeros({}) : at::stack(at::_foreach_norm(made, 2)).norm();
}

// Scales the gradients to a total norm of at most `max`. Adds 1e-6 to the norm, as torch.nn.utils.clip_grad_norm_ does.
void AdamWResource::clip_grad_norm(double max) {
  const torch::NoGradGuard frozen;
  norm_before_clipping_ = norm().item<double>();
  const double scale = max / (*norm_before_clipping_ + 1e-6);
  if (scale < 1) at::_foreach_mul_(gradients(), scale);
}

double AdamWResource::grad_norm() {
  const torch::NoGradGuard frozen;
  return norm_before_clipping_ ? *norm_before_clipping_ : norm().item<double>();
}

void AdamWResource::zero_grad() {
  for (auto& slot : slots_) slot.parameter.mutable_grad().reset();
  norm_before_clipping_.reset();
}

void AdamWResource::scale_gradients(double factor) {
  const torch::NoGradGuard frozen;
  at::_foreach_mul_(gradients(), factor);
  norm_before_clipping_.reset();
}

// Throws if the gradient norm is not finite. The message names the last parameter whose gradient is not finite, if there is
// one: its gradient was computed first, because backward goes from the last parameter to the first.
void AdamWResource::require_finite() {
  if (std::isfinite(grad_norm())) return;
  std::string what = "the gradient norm overflows (each gradient is finite)";
  for (const auto& slot : slots_) {
    const auto& gradient = slot.parameter.grad();
    if (gradient.defined() && !at::isfinite(gradient).all().item<bool>())
      what = "the gradient of " + slot.name + " is not finite";
  }
  throw CodedError("ERR_HOROBALL_DIVERGED", what);
}

// Updates one parameter group at a time; the parameters of a group need not be adjacent in `slots_`.
void AdamWResource::step(double lr) {
  const torch::NoGradGuard frozen;
  require_finite();
  std::vector<Slot*> waiting;
  for (auto& slot : slots_) {
    if (slot.parameter.grad().defined()) waiting.push_back(&slot);
  }
  std::vector<at::Tensor> steps;
  for (const auto* slot : waiting) steps.push_back(slot->steps);
  at::_foreach_add_(steps, 1);
  while (!waiting.empty()) {
    std::vector<Slot*> group, others;
    for (auto* slot : waiting) (slot->in_group_of(*waiting.front()) ? group : others).push_back(slot);
    update(group, lr * group.front()->rate, group.front()->decay);
    waiting.swap(others);
  }
}

// Updates the parameters of a group in one fused call if libtorch supports that on the CPU too (2.4 and later), otherwise
// one at a time.
void AdamWResource::update(const std::vector<Slot*>& slots, double lr, double decay) const {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
  for (const auto* slot : slots) {
    parameters.push_back(slot->parameter);
    gradients.push_back(slot->parameter.grad());
    first.push_back(slot->first);
    second.push_back(slot->second);
    steps.push_back(slot->steps);
  }
  at::_fused_adamw_(parameters, gradients, first, second, {}, steps, lr, config_.beta1, config_.beta2, decay,
                    config_.eps, /*amsgrad=*/false, /*maximize=*/false);
#else
  for (auto* slot : slots) update_one(*slot, lr, decay);
#endif
}

void AdamWResource::update_one(Slot& slot, double lr, double decay) const {
  const auto& [rates, decays, beta1, beta2, eps] = config_;
  const auto& gradient = slot.parameter.grad();
  const double steps = slot.steps.item<double>();
  slot.parameter.mul_(1 - lr * decay);
  slot.first.lerp_(gradient, 1 - beta1);
  slot.second.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const auto denominator = (slot.second.sqrt() / std::sqrt(1 - std::pow(beta2, steps))).add_(eps);
  slot.parameter.addcdiv_(slot.first, denominator, -lr / (1 - std::pow(beta1, steps)));
}

void AdamWResource::read(const std::vector<Span<float>>& to) const {
  std::size_t next = 0;
  copy_out(slots_.empty() ? at::zeros({}) : slots_.front().steps, to.at(next++));
  for (const auto& slot : slots_) {
    copy_out(slot.first, to.at(next++));
    copy_out(slot.second, to.at(next++));
  }
}

void AdamWResource::write(const std::vector<Span<float>>& from) {
  std::size_t next = 0;
  const Span<float> steps = from.at(next++);
  for (auto& slot : slots_) {
    copy_in(steps, slot.steps);
    copy_in(from.at(next++), slot.first);
    copy_in(from.at(next++), slot.second);
  }
}

void bind_optim(Exports& exports) {
  exports.makes<AdamWResource>("adamw", "adamw.create", &AdamWResource::attach, "optimizer", "embedder",
                               "options", "proxies");
  exports.posts("clipGradNorm", "adamw.clipGradNorm", &AdamWResource::clip_grad_norm, "optimizer", "max");
  exports.posts("step", "adamw.step", &AdamWResource::step, "optimizer", "lr");
  exports.posts("zeroGrad", "adamw.zeroGrad", &AdamWResource::zero_grad, "optimizer");
  exports.answers("gradNorm", "adamw.gradNorm", &AdamWResource::grad_norm, "optimizer");
  exports.answers("readOptimizer", "adamw.state", &AdamWResource::read, "optimizer", "out");
  exports.answers("writeOptimizer", "adamw.loadState", &AdamWResource::write, "optimizer", "values");
}

}  // namespace horoball::train

namespace horoball::node {

train::AdamWConfig Converter<train::AdamWConfig>::from(Arguments& in, const Napi::Value& value) {
  const auto options = in.convert<Napi::Object>(value);
  const auto list = [&](const char* key) { return in.property<std::vector<double>>(options, key); };
  const auto betas = list("betas");
  in.require(betas.size() == 2, "two betas");
  return {list("rates"), list("decays"), betas[0], betas[1], in.property<double>(options, "eps")};
}

}  // namespace horoball::node
