// The hybrid contrastive loss as an autograd function over the core's table: one call gives the loss and all
// its gradients, and backward only scales them. On a CUDA device for which the core has
// kernels everything stays there, on libtorch's stream, and the host waits only where it reads the loss.
#include "loss.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "hard_negatives.h"
#include "scaler.h"
#include "tensor.h"

namespace horoball::train {
namespace {

struct LossConfig {
  ContrastArgs args;  // what does not change from batch to batch
  const Backend* backend = nullptr;
  std::vector<const Backend*> cuda;
  bool grad_params = false;
  double beta = 0;  // of hard_negatives; 0: the core's loss

  // The device's own table, or null where rows must go to the host.
  const Backend* on(const at::Device& device) const {
    const auto index = static_cast<std::size_t>(device.has_index() ? device.index() : 0);
    return device.is_cuda() && index < cuda.size() && beta == 0 ? cuda[index] : nullptr;
  }
};

struct LossValue {
  double loss = 0;
  ContrastStats stats;
  bool has_params = false;
  std::array<double, 4> params{};  // gradients of tau_e, tau_h, lambda, c
  at::Tensor waiting;              // the same numbers, in this order, where they are still on a device

  void arrive() {
    if (!waiting.defined()) return;
    const at::Tensor here = waiting.to(at::kCPU);
    const double* numbers = here.data_ptr<double>();
    loss = numbers[0];
    stats = {numbers[1], numbers[2], numbers[3], numbers[4]};
    std::copy_n(numbers + 5, 4, params.begin());
    waiting.reset();
  }
};

Matrix matrix_of(const at::Tensor& x) { return {x.data_ptr(), x.size(0), x.size(1)}; }
ConstMatrix const_matrix_of(const at::Tensor& x) { return {x.data_ptr(), x.size(0), x.size(1)}; }

bool reads_euclidean(const ContrastArgs& args) {
  return args.tied || args.geometry == Geometry::hybrid || args.geometry == Geometry::euclidean;
}
bool reads_hyperbolic(const ContrastArgs& args) { return !args.tied && args.geometry != Geometry::euclidean; }

// The core reads rows in float32 or float64, whatever the model runs in.
at::Tensor rows_for_core(const at::Tensor& x, const at::Device& device) {
  const auto type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return x.detach().to(device, type).contiguous();
}

at::Tensor order_of(const ContrastArgs& args) {
  return at::from_blob(const_cast<std::int32_t*>(args.order), {args.euclidean.rows},
                       at::TensorOptions(at::kInt));
}

// A stream as the CUDA runtime knows it: the default one, null in all versions, or what newer libtorch tells.
template <class Stream>
void* stream_handle(const Stream& stream) {
  if (stream.id() == 0) return nullptr;
  if constexpr (requires { stream.native_handle(); }) {
    return stream.native_handle();
  } else {
    throw CodedError("ERR_HOROBALL_UNSUPPORTED", "this libtorch does not tell which CUDA stream it uses");
  }
}

void require_ok(const Status& status) {
  if (status.code == Code::ok) return;
  if (status.code == Code::cancelled) throw Cancelled();
  const bool memory = status.code == Code::memory;
  throw CodedError(memory ? "ERR_HOROBALL_MEMORY" : "ERR_HOROBALL_DEVICE", status.message);
}

class Contrast : public torch::autograd::Function<Contrast> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& euclidean,
                            const at::Tensor& hyperbolic, const LossConfig& config, LossValue* value,
                            const Flag* cancel) {
    ContrastArgs args = config.args;
    const Backend* there = config.on(euclidean.device());
    const Backend& backend = there != nullptr ? *there : *config.backend;
    const at::Device device = there != nullptr ? euclidean.device() : at::Device(at::kCPU);
    at::Tensor e, h, grad_e, grad_h;
    // The core wants the shape of both, and no data of what the geometry does not use.
    args.euclidean = {nullptr, euclidean.size(0), euclidean.size(1)};
    args.hyperbolic = {nullptr, hyperbolic.size(0), hyperbolic.size(1)};
    if (reads_euclidean(args)) {
      e = rows_for_core(euclidean, device);
      args.euclidean = const_matrix_of(e);
      if (euclidean.requires_grad()) args.grad_euclidean = matrix_of(grad_e = at::empty_like(e));
    }
    if (reads_hyperbolic(args)) {
      h = rows_for_core(hyperbolic, device);
      args.hyperbolic = const_matrix_of(h);
      if (hyperbolic.requires_grad()) args.grad_hyperbolic = matrix_of(grad_h = at::empty_like(h));
    }
    const auto& any = e.defined() ? e : h;
    args.type = any.scalar_type() == at::kDouble ? Type::f64 : Type::f32;
    args.loss = &value->loss;
    args.stats = &value->stats;
    if (config.grad_params) args.grad_params = value->params.data();
    Run run;
    at::Tensor order;
    if (there != nullptr) {
      if (args.order != nullptr) {
        order = sent(order_of(args), device);
        args.order = order.data_ptr<std::int32_t>();
      }
      value->waiting = at::zeros({9}, any.options().dtype(at::kDouble));
      double* numbers = value->waiting.data_ptr<double>();
      args.loss = numbers;
      args.stats = reinterpret_cast<ContrastStats*>(numbers + 1);
      if (config.grad_params) args.grad_params = numbers + 5;
      run.stream = stream_handle(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
    }
    if (backend.contrast == nullptr) {
      throw CodedError("ERR_HOROBALL_UNSUPPORTED", "this backend does not have the loss");
    }
    run.threads = at::get_num_threads();
    run.cancelled = cancel;
    if (config.beta > 0)
      hard_negatives(args, config.beta, cancel);
    else
      require_ok(backend.contrast(args, run));
    ctx->save_for_backward({grad_e, grad_h});
    if (there != nullptr) return value->waiting[0].to(any.scalar_type());
    return at::full({}, value->loss, any.options()).to(euclidean.device());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    const auto saved = ctx->get_saved_variables();
    const auto scale = [&](const at::Tensor& gradient) {
      return gradient.defined() ? upstream[0] * gradient.to(upstream[0].device()) : at::Tensor();
    };
    return {scale(saved[0]), scale(saved[1]), {}, {}, {}};
  }
};

class LossResource : public Resource {
 public:
  using Resource::Resource;

  void compute(const at::Tensor& euclidean, const at::Tensor& hyperbolic, const LossConfig& config,
               const Flag* cancel) {
    value_.has_params = config.grad_params;
    graph_ = Contrast::apply(euclidean, hyperbolic, config, &value_, cancel);
    holds(static_cast<std::int64_t>(graph_.nbytes()));
  }

  // A loss that is no number stops the step here, before it has spoilt the weights; one that is still on a
  // device is not waited for, and stops the run where it is read.
  void backward(double scale) {
    computed();
    if (!value_.waiting.defined() && !std::isfinite(value_.loss)) {
      throw CodedError("ERR_HOROBALL_DIVERGED", "the loss is not finite");
    }
    if (!graph_.requires_grad()) {
      throw CodedError("ERR_HOROBALL_NO_GRAPH", "there is no graph: embed with train, and go back once only");
    }
    graph_.backward(at::full_like(graph_, scale));
    graph_ = graph_.detach();
  }

  const LossValue& value() {
    computed();
    value_.arrive();
    return value_;
  }

 private:
  void computed() const {
    if (graph_.defined()) return;
    throw CodedError("ERR_HOROBALL_EMPTY", "the loss was not computed, because an earlier operation failed");
  }

  at::Tensor graph_;
  LossValue value_;
};

Geometry geometry_from(const std::string& name) {
  if (name == "euclidean") return Geometry::euclidean;
  if (name == "hyperbolic") return Geometry::hyperbolic;
  if (name == "chordal") return Geometry::chordal;
  return Geometry::hybrid;
}

ContrastArgs args_from(const Napi::Object& options) {
  ContrastArgs args;
  args.geometry = geometry_from(text(options.Get("geometry")));
  args.guards = options.Get("compat").IsString() ? Guards::hypmix : Guards::clean;
  args.tied = flag(options.Get("tied"));
  args.mean = text(options.Get("reduction")) == "mean";
  args.views = static_cast<std::int64_t>(number(options.Get("views")));
  args.tau_e = number(options.Get("tauE"));
  args.tau_h = number(options.Get("tauH"));
  args.lambda = number(options.Get("lambda"));
  args.c = number(options.Get("c"));
  const Napi::Value clip = options.Get("clipR");
  args.clip = clip.IsNull() ? std::numeric_limits<double>::infinity() : number(clip);
  return args;
}

// loss(euclidean, hyperbolic, options, order)
Napi::Value loss(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  Call call{"hybridLoss.apply"};
  const auto options = info[2].As<Napi::Object>();
  LossConfig config{args_from(options), room(env).backend, room(env).cuda, flag(options.Get("gradParams")),
                    number(options.Get("beta"))};
  if (!info[3].IsNull()) config.args.order = array<std::int32_t>(info[3], call.held).data;
  const auto euclidean = from<TensorResource>(info[0]), hyperbolic = from<TensorResource>(info[1]);
  const auto out = make<LossResource>(env);
  const auto work = [=](const Flag* cancel) {
    out->compute(euclidean->get(), hyperbolic->get(), config, cancel);
  };
  room(env).lane.post(std::move(call), work);
  return wrap_resource(env, out);
}

// backwardLoss(loss, factor, scaler | null)
void backward_loss(const Napi::CallbackInfo& info) {
  const auto scaler = info[2].IsNull() ? nullptr : from<ScalerResource>(info[2]);
  const auto work = [value = from<LossResource>(info[0]), factor = number(info[1]), scaler](const Flag*) {
    value->backward(scaler == nullptr ? factor : factor * scaler->scale());
  };
  room(info.Env()).lane.post({"loss.backward"}, work);
}

// readLoss(loss, cancel): Promise<LossValues>
Napi::Value read_loss(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<LossValue>();
  const auto work = [out, value = from<LossResource>(info[0])](const Flag*) { *out = value->value(); };
  const auto answer = [out](Napi::Env env) -> Napi::Value {
    auto values = Napi::Object::New(env);
    values.Set("loss", out->loss);
    values.Set("min", out->stats.min);
    values.Set("mean", out->stats.mean);
    values.Set("max", out->stats.max);
    values.Set("accuracy", out->stats.accuracy);
    auto params = Napi::Object::New(env);
    params.Set("tauE", out->params[0]);
    params.Set("tauH", out->params[1]);
    params.Set("lambda", out->params[2]);
    params.Set("c", out->params[3]);
    if (out->has_params) values.Set("gradParams", params);
    return values;
  };
  return room(info.Env()).lane.run({"loss.read", cancel_from(info[1])}, work, answer);
}

}  // namespace

void bind_loss(Napi::Env env, Napi::Object exports) {
  exports.Set("loss", Napi::Function::New(env, loss, "loss"));
  exports.Set("backwardLoss", Napi::Function::New(env, backward_loss, "backwardLoss"));
  exports.Set("readLoss", Napi::Function::New(env, read_loss, "readLoss"));
}

}  // namespace horoball::train
