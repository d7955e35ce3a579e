#include "optim.h"

#include <torch/version.h>

#include <cmath>

#include "tensor.h"

namespace horoball::train {

void AdamWResource::attach(const EmbedderResource& model) {
  std::int64_t bytes = 0;
  for (const auto& [name, value] : model.parameters()) {
    if (!value.requires_grad()) continue;
    const auto at = slots_.size();
    slots_.push_back({name, config_.rates.at(at), config_.decays.at(at), value, at::zeros_like(value),
                      at::zeros_like(value), at::zeros({}, value.options())});
    bytes += 2 * static_cast<std::int64_t>(value.nbytes());
  }
  holds(bytes);
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

// As torch.nn.utils.clip_grad_norm_ has it, epsilon included.
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

// Gradients are made from the last parameter to the first: the last bad one is the first that went bad.
void AdamWResource::require_finite() {
  if (std::isfinite(grad_norm())) return;
  std::string where = "all of them together";
  for (const auto& slot : slots_) {
    const auto& gradient = slot.parameter.grad();
    if (gradient.defined() && !at::isfinite(gradient).all().item<bool>()) where = slot.name;
  }
  throw CodedError("ERR_HOROBALL_DIVERGED", "the gradient is not finite, first of " + where);
}

// One group after the other; the parameters of a group stand apart in `slots_`.
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

// Fused where libtorch has it for the CPU too (from 2.4), else one parameter after the other.
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
  auto next = to.begin();
  copy_out(slots_.empty() ? at::zeros({}) : slots_.front().steps, *next++);
  for (const auto& slot : slots_) {
    copy_out(slot.first, *next++);
    copy_out(slot.second, *next++);
  }
}

void AdamWResource::write(const std::vector<Span<float>>& from) {
  auto next = from.begin();
  const Span<float> steps = *next++;
  for (auto& slot : slots_) {
    copy_in(steps, slot.steps);
    copy_in(*next++, slot.first);
    copy_in(*next++, slot.second);
  }
}

namespace {

// adamw(embedder, options)
Napi::Value adamw(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto options = info[1].As<Napi::Object>();
  const auto betas = numbers(options.Get("betas"));
  const AdamWConfig config{numbers(options.Get("rates")), numbers(options.Get("decays")), betas.at(0),
                           betas.at(1), number(options.Get("eps"))};
  const auto optimizer = make<AdamWResource>(env, config);
  const auto work = [optimizer, model = from<EmbedderResource>(info[0])](const Flag*) {
    optimizer->attach(*model);
  };
  room(env).lane.post({"adamw.create"}, work);
  return wrap_resource(env, optimizer);
}

// clipGradNorm(optimizer, max)
void clip_grad_norm(const Napi::CallbackInfo& info) {
  const auto work = [optimizer = from<AdamWResource>(info[0]), max = number(info[1])](const Flag*) {
    optimizer->clip_grad_norm(max);
  };
  room(info.Env()).lane.post({"adamw.clipGradNorm"}, work);
}

// step(optimizer, lr)
void step(const Napi::CallbackInfo& info) {
  const auto work = [optimizer = from<AdamWResource>(info[0]), lr = number(info[1])](const Flag*) {
    optimizer->step(lr);
  };
  room(info.Env()).lane.post({"adamw.step"}, work);
}

// zeroGrad(optimizer)
void zero_grad(const Napi::CallbackInfo& info) {
  const auto work = [optimizer = from<AdamWResource>(info[0])](const Flag*) { optimizer->zero_grad(); };
  room(info.Env()).lane.post({"adamw.zeroGrad"}, work);
}

// gradNorm(optimizer, cancel): Promise<number>
Napi::Value grad_norm(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<double>();
  const auto work = [out, optimizer = from<AdamWResource>(info[0])](const Flag*) {
    *out = optimizer->grad_norm();
  };
  const auto answer = [out](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *out); };
  return room(info.Env()).lane.run({"adamw.gradNorm", cancel_from(info[1])}, work, answer);
}

// readOptimizer(optimizer, out, cancel): Promise<void>
Napi::Value read_optimizer(const Napi::CallbackInfo& info) {
  Call call{"adamw.state", cancel_from(info[2])};
  const auto to = float_arrays(info[1], call.held);
  const auto work = [to, optimizer = from<AdamWResource>(info[0])](const Flag*) { optimizer->read(to); };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

// writeOptimizer(optimizer, values, cancel): Promise<void>
Napi::Value write_optimizer(const Napi::CallbackInfo& info) {
  Call call{"adamw.loadState", cancel_from(info[2])};
  const auto values = float_arrays(info[1], call.held);
  const auto work = [values, optimizer = from<AdamWResource>(info[0])](const Flag*) {
    optimizer->write(values);
  };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

}  // namespace

void bind_optim(Napi::Env env, Napi::Object exports) {
  exports.Set("adamw", Napi::Function::New(env, adamw, "adamw"));
  exports.Set("clipGradNorm", Napi::Function::New(env, clip_grad_norm, "clipGradNorm"));
  exports.Set("step", Napi::Function::New(env, step, "step"));
  exports.Set("zeroGrad", Napi::Function::New(env, zero_grad, "zeroGrad"));
  exports.Set("gradNorm", Napi::Function::New(env, grad_norm, "gradNorm"));
  exports.Set("readOptimizer", Napi::Function::New(env, read_optimizer, "readOptimizer"));
  exports.Set("writeOptimizer", Napi::Function::New(env, write_optimizer, "writeOptimizer"));
}

}  // namespace horoball::train
