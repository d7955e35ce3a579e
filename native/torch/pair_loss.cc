#include "pair_loss.h"

#include <vector>

namespace horoball::train {
namespace {

// The class of each row.
std::vector<std::int32_t> classes_of(const ContrastArgs& args) {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(args.euclidean.rows));
  for (std::int64_t sample = 0; sample < args.euclidean.rows; ++sample) {
    const std::int64_t row = args.order == nullptr ? sample : args.order[sample];
    classes[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(sample / args.views);
  }
  return classes;
}

Status statistics(const Backend& backend, ContrastArgs args, const Run& run) {
  double loss = 0;
  args.loss = &loss;
  args.grad_euclidean = args.grad_hyperbolic = {};
  args.grad_params = nullptr;
  return backend.contrast(args, run);
}

}  // namespace

Status pair_loss(const Backend& backend, const ContrastArgs& args, const PairVariant& variant,
                 const Run& run) {
  if (backend.pair_loss == nullptr) return {Code::unsupported, "the backend does not support this loss"};
  const Status done = statistics(backend, args, run);
  if (done.code != Code::ok) return done;
  const std::vector<std::int32_t> classes = classes_of(args);
  PairLossArgs pairs;
  pairs.type = args.type;
  pairs.variant = variant.loss;
  pairs.alpha = variant.alpha;
  pairs.beta = variant.beta;
  pairs.base = variant.base;
  pairs.geometry = args.geometry;
  pairs.guards = args.guards;
  pairs.tied = args.tied;
  pairs.tau_e = args.tau_e;
  pairs.tau_h = args.tau_h;
  pairs.lambda = args.lambda;
  pairs.c = args.c;
  pairs.clip = args.clip;
  pairs.euclidean = args.euclidean;
  pairs.hyperbolic = args.hyperbolic;
  pairs.columns = 1;
  pairs.labels = classes.data();
  pairs.loss = args.loss;
  pairs.grad_euclidean = args.grad_euclidean;
  pairs.grad_hyperbolic = args.grad_hyperbolic;
  pairs.grad_params = args.grad_params;
  return backend.pair_loss(pairs, run);
}

}  // namespace horoball::train
