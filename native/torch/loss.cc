// The contrastive losses as an autograd function: the loss over all ordered pairs of views (ContrastArgs in core.h), its
// variant in hard_negatives.h, and the pair losses. One call computes the loss and all its gradients; backward scales them.
// On a CUDA device that the core supports, the data of the loss over views stays on the device, and the host waits only when
// it reads the loss. The other losses are computed on the host.
#include "loss.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "backend.h"
#include "exports.h"
#include "hard_negatives.h"
#include "loss_options.h"
#include "loss_part.h"
#include "pair_loss.h"
#include "proxies.h"
#include "scaler.h"
#include "tensor.h"

namespace horoball::train {
namespace {

struct LossConfig {
  static constexpr const char* kTypeScript = "LossNumbers";
  ContrastArgs args;  // the same for every batch
  Tables tables;
  bool grad_params = false;
  double beta = 0;                   // strength of hard_negatives; 0: the core's loss
  std::optional<PairVariant> pairs;  // a pair loss instead of the loss over views
  bool divide = false;               // among the ranks that gathered the rows

  // Whether this is the core's loss over views, the only one that has CUDA kernels and can be divided among ranks.
  bool is_over_views() const { return beta == 0 && !pairs; }
  Target target(const at::Device& device) const {
    return is_over_views() ? target_of(tables, device) : host_target(tables);
  }
};

// The rows of one call. If the loss is divided among ranks, `part` is this rank's part, otherwise null.
struct LossRows {
  at::Tensor euclidean, hyperbolic;
  std::unique_ptr<LossPart> part;
};

struct LossValue {
  static constexpr const char* kTypeScript = "LossValues";
  double loss = 0;
  ContrastStats stats;
  bool has_params = false;
  std::array<double, kLogitNumbers> params{};  // gradients of tau_e, tau_h, lambda, c
  at::Tensor waiting;                          // loss, stats and params, in order, while they are on a device

  void arrive() {
    if (!waiting.defined()) return;
    const at::Tensor here = waiting.to(at::kCPU);
    const double* numbers = here.data_ptr<double>();
    loss = numbers[0];
    stats = {numbers[1], numbers[2], numbers[3], numbers[4]};
    std::copy_n(numbers + 5, kLogitNumbers, params.begin());
    waiting.reset();
  }
};

ConstMatrix shape_of(const at::Tensor& rows) { return {nullptr, rows.size(0), rows.size(1)}; }

at::Tensor order_of(const ContrastArgs& args) {
  return at::from_blob(const_cast<std::int32_t*>(args.order), {args.euclidean.rows},
                       at::TensorOptions(at::kInt));
}

class ContrastFunction : public torch::autograd::Function<ContrastFunction> {
 public:
  // Computes the loss and its gradients. `euclidean` and `hyperbolic` are the rows that get gradients: all rows, or those
  // of this rank if the loss is divided.
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& euclidean,
                            const at::Tensor& hyperbolic, const LossRows& rows, const LossConfig& config,
                            LossValue* value, const Flag* cancel) {
    ContrastArgs args = config.args;
    const Target target = config.target(euclidean.device());
    const at::Device& device = target.device;
    at::Tensor e, h, grad_e, grad_h;
    // The core needs the shape of both matrices, but the data only of those that the geometry uses.
    args.euclidean = shape_of(rows.euclidean);
    args.hyperbolic = shape_of(rows.hyperbolic);
    const Reads reads = target.backend->reads_of(args.geometry, args.tied);
    if (reads.euclidean) {
      e = rows_for_core(rows.euclidean, device);
      args.euclidean = const_matrix_of(e);
      if (euclidean.requires_grad())
        args.grad_euclidean = matrix_of(grad_e = at::empty(euclidean.sizes(), e.options()));
    }
    if (reads.hyperbolic) {
      h = rows_for_core(rows.hyperbolic, device);
      args.hyperbolic = const_matrix_of(h);
      if (hyperbolic.requires_grad())
        args.grad_hyperbolic = matrix_of(grad_h = at::empty(hyperbolic.sizes(), h.options()));
    }
    const auto& any = e.defined() ? e : h;
    args.type = element_type(any);
    if (h.defined() && element_type(h) != args.type)
      throw CodedError("ERR_HOROBALL_TYPE", "hyperbolic: expected the same element type as euclidean");
    args.loss = &value->loss;
    args.stats = &value->stats;
    if (config.grad_params) args.grad_params = value->params.data();
    if (rows.part) rows.part->apply_to(args);
    require_ok(target.backend->check_contrast(args));
    at::Tensor order;
    if (target.on_device()) {
      if (args.order != nullptr) {
        order = sent(order_of(args), device);
        args.order = order.data_ptr<std::int32_t>();
      }
      value->waiting = at::zeros({9}, any.options().dtype(at::kDouble));
      double* numbers = value->waiting.data_ptr<double>();
      args.loss = numbers;
      args.stats = reinterpret_cast<ContrastStats*>(numbers + 1);
      if (config.grad_params) args.grad_params = numbers + 5;
    }
    if (target.backend->contrast == nullptr) {
      throw CodedError("ERR_HOROBALL_UNSUPPORTED", "the backend does not support the loss");
    }
    Run run = target.run();
    run.cancelled = cancel;
    if (config.pairs) {
      require_ok(pair_loss(*target.backend, args, *config.pairs, run));
    } else if (config.beta > 0) {
      hard_negatives(args, config.beta, cancel);
    } else {
      const Status status = target.backend->contrast(args, run);
      if (rows.part) rows.part->rethrow();
      require_ok(status);
    }
    ctx->save_for_backward({grad_e, grad_h});
    if (target.on_device()) return value->waiting[0].to(any.scalar_type());
    return at::full({}, value->loss, any.options()).to(euclidean.device());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    const auto saved = ctx->get_saved_variables();
    const auto scale = [&](const at::Tensor& gradient) {
      return gradient.defined() ? upstream[0] * gradient.to(upstream[0].device()) : at::Tensor();
    };
    return {scale(saved[0]), scale(saved[1]), {}, {}, {}, {}};
  }
};

class LossResource : public Resource {
 public:
  static constexpr const char* kKind = "Loss";
  using Resource::Resource;

  void compute(const TensorResource& euclidean, const TensorResource& hyperbolic, const LossConfig& config,
               const Flag* cancel) {
    value_.has_params = config.grad_params;
    LossRows rows{euclidean.get(), hyperbolic.get(), part_of(euclidean, hyperbolic, config)};
    const at::Tensor own_e = rows.part ? euclidean.gathered()->own : rows.euclidean;
    const at::Tensor own_h = rows.part ? hyperbolic.gathered()->own : rows.hyperbolic;
    graph_ = ContrastFunction::apply(own_e, own_h, rows, config, &value_, cancel);
    holds(static_cast<std::int64_t>(graph_.nbytes()));
  }

  void compute(const at::Tensor& euclidean, const at::Tensor& hyperbolic, const LossConfig& config,
               const ProxiesResource& proxies, const std::int32_t* classes, const Flag* cancel) {
    value_.has_params = config.grad_params;
    const Target target = host_target(config.tables);
    ContrastArgs args = config.args;
    args.loss = &value_.loss;
    args.stats = &value_.stats;
    if (config.grad_params) args.grad_params = value_.params.data();
    Run run = target.run();
    run.cancelled = cancel;
    graph_ = proxy_loss(euclidean, hyperbolic, proxies.outputs(), classes, config.tables, args, *config.pairs,
                        run);
    holds(static_cast<std::int64_t>(graph_.nbytes()));
  }

  // Adds a term to the value that backward() differentiates. The loss that JavaScript reads does not include it.
  void add(const at::Tensor& term, double weight) {
    computed();
    graph_ = graph_ + weight * term.to(graph_.options());
  }

  // Backpropagates the loss, multiplied by `scale`. Throws if it is not finite, before it can damage the weights. A loss
  // that is still on a device is not checked, so that the host need not wait; the optimizer checks the gradients.
  void backward(double scale) {
    computed();
    if (!value_.waiting.defined() && !std::isfinite(value_.loss)) {
      throw CodedError("ERR_HOROBALL_DIVERGED", "the loss is not finite");
    }
    if (!graph_.requires_grad()) {
      throw CodedError("ERR_HOROBALL_NO_GRAPH",
                       "the loss has no graph: embed with train: true, and call backward only once");
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
  // Returns this rank's part of the loss, or null if the loss is not divided. The decision is the same on all ranks.
  static std::unique_ptr<LossPart> part_of(const TensorResource& euclidean, const TensorResource& hyperbolic,
                                           const LossConfig& config) {
    const auto &gathered = euclidean.gathered(), &other = hyperbolic.gathered();
    if (!config.divide || !config.is_over_views() || euclidean.get().is_cuda()) return nullptr;
    if (gathered == nullptr || other == nullptr || gathered->counts != other->counts) return nullptr;
    return LossPart::of(*gathered, euclidean.get().size(0), config.args.views, config.args.order);
  }

  void computed() const {
    if (graph_.defined()) return;
    throw CodedError("ERR_HOROBALL_EMPTY", "the loss was not computed, because an earlier operation failed");
  }

  at::Tensor graph_;
  LossValue value_;
};

void compute_loss(LossResource& out, const TensorResource& euclidean, const TensorResource& hyperbolic,
                  LossConfig& config, std::optional<Span<std::int32_t>> order, const ProxiesResource* proxies,
                  std::optional<Span<std::int32_t>> classes, const Flag* cancel) {
  const at::Tensor& rows = euclidean.get();
  if (order) {
    if (static_cast<std::int64_t>(order->length) != rows.size(0))
      throw CodedError("ERR_HOROBALL_SHAPE",
                       "order: expected " + std::to_string(rows.size(0)) + " row indices");
    config.args.order = order->data;
  }
  if (proxies == nullptr) return out.compute(euclidean, hyperbolic, config, cancel);
  if (!config.pairs || !classes || static_cast<std::int64_t>(classes->length) != rows.size(0))
    throw CodedError("ERR_HOROBALL_SHAPE", "proxies: expected a pair loss and the proxy of each row");
  out.compute(rows, hyperbolic.get(), config, *proxies, classes->data, cancel);
}

void backward_loss(LossResource& loss, double factor, const ScalerResource* scaler) {
  loss.backward(scaler == nullptr ? factor : factor * scaler->state().scale);
}

Napi::Value to_js(Napi::Env env, const LossValue& value) {
  auto values = Napi::Object::New(env);
  values.Set("loss", value.loss);
  values.Set("min", value.stats.min);
  values.Set("mean", value.stats.mean);
  values.Set("max", value.stats.max);
  values.Set("accuracy", value.stats.accuracy);
  auto params = Napi::Object::New(env);
  params.Set("tauE", value.params[0]);
  params.Set("tauH", value.params[1]);
  params.Set("lambda", value.params[2]);
  params.Set("c", value.params[3]);
  if (value.has_params) values.Set("gradParams", params);
  return values;
}

}  // namespace
}  // namespace horoball::train

namespace horoball::node {

template <>
struct Converter<train::LossConfig> {
  static train::LossConfig from(Arguments& in, const Napi::Value& value);
};

}  // namespace horoball::node

namespace horoball::train {

void bind_loss(Exports& exports) {
  exports.makes<LossResource>("loss", "hybridLoss.apply", compute_loss, "out", "euclidean", "hyperbolic",
                              "options", "order", "proxies", "classes");
  exports.posts("backwardLoss", "loss.backward", backward_loss, "loss", "factor", "scaler");
  exports.posts("addTerm", "loss.add", &LossResource::add, "loss", "term", "weight");
  exports.answers("readLoss", "loss.read", &LossResource::value, "loss");
}

}  // namespace horoball::train

namespace horoball::node {

train::LossConfig Converter<train::LossConfig>::from(Arguments& in, const Napi::Value& value) {
  const auto options = in.convert<train::LossOptions>(value);
  train::LossConfig config{{}, train::environment(in.env()).tables, options.grad_params, options.beta};
  ContrastArgs& args = config.args;
  options.fill(args, in, config.tables);
  in.require(options.reduction == "mean" || options.reduction == "sum", "the reduction mean or sum");
  args.mean = options.reduction == "mean";
  in.require(options.views > 1, "2 views or more");
  args.views = options.views;
  config.divide = options.divide;
  in.require(options.loss >= -1 && options.loss <= UINT8_MAX, "the index of a loss, or -1");
  if (options.loss >= 0)
    config.pairs = {static_cast<Loss>(options.loss), in.convert<train::PairOptions>(value)};
  in.require(!config.pairs || config.beta == 0, "beta 0 with a pair loss");
  in.require(config.beta == 0 || !config.tables.cpu->reads_of(args.geometry, false).hyperbolic,
             "beta 0, or a geometry without a distance");
  return config;
}

}  // namespace horoball::node
