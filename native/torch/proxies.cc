#include "proxies.h"

#include "backend.h"
#include "exports.h"
#include "tensor.h"

namespace horoball::train {
namespace {

// One output of a head as an argument of the core, with its gradient if wanted.
struct Side {
  at::Tensor rows, gradient;
  ConstMatrix matrix;
  Matrix to;

  Side(const at::Tensor& given, bool is_read, const at::Device& host)
      : matrix{nullptr, given.size(0), given.size(1)} {
    if (!is_read) return;
    rows = rows_for_core(given, host);
    matrix = const_matrix_of(rows);
    if (given.requires_grad()) to = matrix_of(gradient = at::empty_like(rows));
  }
};

class ProxyLoss : public torch::autograd::Function<ProxyLoss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& euclidean,
                            const at::Tensor& hyperbolic, const at::Tensor& proxy_euclidean,
                            const at::Tensor& proxy_hyperbolic, const std::int32_t* classes,
                            const Target& target, ContrastArgs args, const PairVariant& variant,
                            const Run& run) {
    const Reads reads = target.backend->reads_of(args.geometry, args.tied);
    const Side e(euclidean, reads.euclidean, target.device), h(hyperbolic, reads.hyperbolic, target.device),
        pe(proxy_euclidean, reads.euclidean, target.device),
        ph(proxy_hyperbolic, reads.hyperbolic, target.device);
    const at::Tensor& any = e.rows.defined() ? e.rows : h.rows;
    args.type = element_type(any);
    args.euclidean = e.matrix;
    args.hyperbolic = h.matrix;
    args.grad_euclidean = e.to;
    args.grad_hyperbolic = h.to;
    require_ok(target.backend->check_contrast(args));
    const ProxySides proxies{pe.matrix, ph.matrix, pe.to, ph.to, classes};
    require_ok(pair_loss(*target.backend, args, variant, run, &proxies));
    ctx->save_for_backward({e.gradient, h.gradient, pe.gradient, ph.gradient});
    return at::full({}, *args.loss, any.options()).to(euclidean.device());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    torch::autograd::variable_list gradients;
    for (const at::Tensor& gradient : ctx->get_saved_variables()) {
      gradients.push_back(gradient.defined() ? upstream[0] * gradient.to(upstream[0].device())
                                             : at::Tensor());
    }
    gradients.resize(9);
    return gradients;
  }
};

}  // namespace

void ProxiesResource::create(const EmbedderResource& embedder, Span<float> values, std::int64_t rows) {
  head_ = embedder.head();
  const auto length = static_cast<std::int64_t>(values.length);
  if (rows < 1 || length % rows != 0 || length / rows != head_->dim())
    throw CodedError("ERR_HOROBALL_SHAPE", "expected " + std::to_string(head_->dim()) + " values per proxy");
  rows_ = at::empty({rows, head_->dim()}, at::TensorOptions(at::kFloat).device(embedder.device()));
  copy_in(values, rows_);
  rows_.set_requires_grad(true);
  holds(static_cast<std::int64_t>(rows_.nbytes()));
}

const at::Tensor& ProxiesResource::rows() const {
  if (rows_.defined()) return rows_;
  throw CodedError("ERR_HOROBALL_EMPTY", "the proxies were not created, because an earlier operation failed");
}

Outputs ProxiesResource::outputs() const { return head_->outputs_of(rows(), {}); }

void ProxiesResource::read(Span<float> to) const { copy_out(rows(), to); }

void ProxiesResource::write(Span<float> from) { copy_in(from, rows()); }

at::Tensor proxy_loss(const at::Tensor& euclidean, const at::Tensor& hyperbolic, const Outputs& proxies,
                      const std::int32_t* classes, const Tables& tables, const ContrastArgs& args,
                      const PairVariant& variant, const Run& run) {
  return ProxyLoss::apply(euclidean, hyperbolic, proxies.euclidean, proxies.hyperbolic, classes,
                          host_target(tables), args, variant, run);
}

void bind_proxies(Exports& exports) {
  exports.makes<ProxiesResource>("proxies", "proxies.create", &ProxiesResource::create, "proxies", "embedder",
                                 "values", "rows");
  exports.answers("readProxies", "proxies.state", &ProxiesResource::read, "proxies", "out");
  exports.answers("writeProxies", "proxies.loadState", &ProxiesResource::write, "proxies", "values");
}

}  // namespace horoball::train
