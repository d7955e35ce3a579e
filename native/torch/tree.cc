// Losses of a class tree, which are added to the loss of a batch.
#include "tree.h"

#include <torch/torch.h>

#include "backend.h"
#include "exports.h"
#include "loss_options.h"
#include "row_map.h"
#include "tensor.h"

namespace horoball::train {
namespace {

struct LevelConfig {
  static constexpr const char* kTypeScript = "LevelNumbers";
  PairLossArgs args;  // the same for every batch
  Tables tables;
};

// A pair loss of the core, on the host, over one label per row.
class LevelFunction : public torch::autograd::Function<LevelFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& euclidean,
                            const at::Tensor& hyperbolic, const LevelConfig& config,
                            const Span<std::int32_t>& labels, const Flag* cancel) {
    const Target target = host_target(config.tables);
    if (target.backend->pair_loss == nullptr)
      throw CodedError("ERR_HOROBALL_UNSUPPORTED", "the backend does not support this loss");
    PairLossArgs args = config.args;
    const Reads reads = target.backend->reads_of(args.geometry, args.tied);
    at::Tensor e, h, grad_e, grad_h;
    // The core needs the shape of both matrices, but the data only of those that the geometry uses.
    args.euclidean = args.hyperbolic = {nullptr, euclidean.size(0), euclidean.size(1)};
    if (reads.euclidean) {
      args.euclidean = const_matrix_of(e = rows_for_core(euclidean, target.device));
      args.grad_euclidean = matrix_of(grad_e = at::empty_like(e));
    }
    if (reads.hyperbolic) {
      args.hyperbolic = const_matrix_of(h = rows_for_core(hyperbolic, target.device));
      args.grad_hyperbolic = matrix_of(grad_h = at::empty_like(h));
    }
    args.type = element_type(e.defined() ? e : h);
    args.labels = labels.data;
    double loss = 0;
    args.loss = &loss;
    Run run = target.run();
    run.cancelled = cancel;
    require_ok(target.backend->pair_loss(args, run));
    ctx->save_for_backward({grad_e, grad_h});
    return at::full({}, loss, euclidean.options());
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

void check_count(const char* name, std::int64_t wanted, std::size_t got) {
  if (wanted == static_cast<std::int64_t>(got)) return;
  throw CodedError("ERR_HOROBALL_SHAPE", std::string(name) + ": expected " + std::to_string(wanted) +
                                             " values, got " + std::to_string(got));
}

void level_loss(TensorResource& out, const at::Tensor& euclidean, const at::Tensor& hyperbolic,
                const LevelConfig& config, Span<std::int32_t> labels, const Flag* cancel) {
  check_count("labels", euclidean.size(0), labels.length);
  out.set(LevelFunction::apply(euclidean, hyperbolic, config, labels, cancel));
}

struct ConeOptions {
  RowOperation aperture, angle, distance;
  double c = 1, reach = 1;
};

struct ConeConfig : ConeOptions {
  static constexpr const char* kTypeScript = "ConeNumbers";
  Tables tables;
};

at::Tensor indices(Span<std::int32_t> from, const at::Device& device) {
  const auto length = static_cast<std::int64_t>(from.length);
  return sent(at::from_blob(from.data, {length}, at::TensorOptions(at::kInt)).to(at::kLong), device);
}

at::Tensor doubles(Span<double> from, const at::Device& device) {
  const auto length = static_cast<std::int64_t>(from.length);
  return sent(at::from_blob(from.data, {length}, at::TensorOptions(at::kDouble)).clone(), device);
}

// Returns the Einstein midpoint of the rows of each node, weighted by their Lorentz factors, lambda - 1.
at::Tensor midpoints(const at::Tensor& points, const at::Tensor& nodes, const at::Tensor& rows,
                     std::int64_t count, double c) {
  const auto lambda = 2 / (1 - c * points.square().sum(1, true));
  const auto sum = [&](const at::Tensor& terms) {
    return at::zeros({count, terms.size(1)}, terms.options())
        .index_add(0, nodes, terms.index_select(0, rows));
  };
  const auto klein = sum(lambda * points) / sum(lambda - 1);
  return klein / (1 + (1 - c * klein.square().sum(1, true)).clamp_min(0).sqrt());
}

// Sets `cones` to the mean of max(0, exterior angle - half aperture) over the pairs of a node and a row, and `radius` to the
// mean of (distance from the origin / reach - depth in the tree)^2 over all rows and over the nodes of all pairs. A node is
// the midpoint of its rows.
void cone_loss(TensorResource& cones, TensorResource& radius, const at::Tensor& hyperbolic,
               const ConeConfig& config, Span<std::int32_t> node_of, Span<std::int32_t> row_of,
               Span<double> node_depths, Span<double> row_depths) {
  check_count("rows", static_cast<std::int64_t>(node_of.length), row_of.length);
  check_count("rowDepths", hyperbolic.size(0), row_depths.length);
  const at::Device device = hyperbolic.device();
  const auto points = hyperbolic.to(at::kDouble);
  const auto c = at::scalar_tensor(config.c, at::kDouble);
  const auto numbers = [&](const RowOperation& operation, at::TensorList inputs) {
    return map_to_numbers(config.tables, operation, inputs, c);
  };
  const at::Tensor nodes = indices(node_of, device), rows = indices(row_of, device);
  const auto centers =
      midpoints(points, nodes, rows, static_cast<std::int64_t>(node_depths.length), config.c);
  const auto angles = numbers(config.angle, {centers.index_select(0, nodes), points.index_select(0, rows)});
  const auto apertures = numbers(config.aperture, {centers}).index_select(0, nodes);
  cones.set((angles - apertures).relu().mean());
  const auto deviation = [&](const at::Tensor& from, Span<double> depths) {
    return (numbers(config.distance, {from}) / config.reach - doubles(depths, device)).square();
  };
  radius.set(at::cat({deviation(centers, node_depths).index_select(0, nodes), deviation(points, row_depths)})
                 .mean());
}

}  // namespace
}  // namespace horoball::train

namespace horoball::node {

template <>
inline constexpr auto kProperties<train::ConeOptions> = bind::FieldList<
    bind::Field<"aperture", &train::ConeOptions::aperture>, bind::Field<"angle", &train::ConeOptions::angle>,
    bind::Field<"distance", &train::ConeOptions::distance>, bind::Field<"c", &train::ConeOptions::c>,
    bind::Field<"reach", &train::ConeOptions::reach>>{};

template <>
struct Converter<train::LevelConfig> {
  static train::LevelConfig from(Arguments& in, const Napi::Value& value);
};
template <>
struct Converter<train::ConeConfig> {
  static train::ConeConfig from(Arguments& in, const Napi::Value& value);
};

}  // namespace horoball::node

namespace horoball::train {

void bind_tree(Exports& exports) {
  exports.makes<TensorResource>("levelLoss", "tree.levels", level_loss, "out", "euclidean", "hyperbolic",
                                "options", "labels");
  exports.makes<TensorResource, TensorResource>("coneLoss", "tree.cones", cone_loss, "cones", "radius",
                                                "hyperbolic", "options", "nodes", "rows", "nodeDepths",
                                                "rowDepths");
}

}  // namespace horoball::train

namespace horoball::node {

train::LevelConfig Converter<train::LevelConfig>::from(Arguments& in, const Napi::Value& value) {
  const auto options = in.convert<train::LevelOptions>(value);
  train::LevelConfig config{{}, train::environment(in.env()).tables};
  options.fill(config.args, in, config.tables);
  in.require(options.loss >= 0 && options.loss <= UINT8_MAX, "the index of a loss");
  config.args.variant = static_cast<Loss>(options.loss);
  config.args.columns = 1;
  return config;
}

train::ConeConfig Converter<train::ConeConfig>::from(Arguments& in, const Napi::Value& value) {
  return {in.convert<train::ConeOptions>(value), train::environment(in.env()).tables};
}

}  // namespace horoball::node
