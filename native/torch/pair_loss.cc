#include "pair_loss.h"

#include <numeric>
#include <vector>

namespace horoball::train {
namespace {

std::vector<std::int32_t> classes_of(const ContrastArgs& args) {
  std::vector<std::int32_t> classes(static_cast<std::size_t>(args.euclidean.rows));
  for (std::int64_t sample = 0; sample < args.euclidean.rows; ++sample) {
    const std::int64_t row = args.order == nullptr ? sample : args.order[sample];
    classes[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(sample / args.views);
  }
  return classes;
}

// One side of the pairs.
struct Rows {
  ConstMatrix euclidean, hyperbolic;
  Matrix grad_euclidean, grad_hyperbolic;
  const std::int32_t* classes = nullptr;
};

Status statistics(const Backend& backend, ContrastArgs args, const Run& run) {
  double loss = 0;
  args.loss = &loss;
  args.grad_euclidean = args.grad_hyperbolic = {};
  args.grad_params = nullptr;
  return backend.contrast(args, run);
}

}  // namespace

Status pair_loss(const Backend& backend, const ContrastArgs& args, const PairVariant& variant, const Run& run,
                 const ProxySides* proxies) {
  if (backend.pair_loss == nullptr) return {Code::unsupported, "the backend does not support this loss"};
  const Status done = statistics(backend, args, run);
  if (done.code != Code::ok) return done;
  std::vector<std::int32_t> classes;
  Rows batch{args.euclidean, args.hyperbolic, args.grad_euclidean, args.grad_hyperbolic}, others;
  if (proxies == nullptr) {
    classes = classes_of(args);
    batch.classes = classes.data();
  } else {
    classes.resize(static_cast<std::size_t>(proxies->euclidean.rows));
    std::iota(classes.begin(), classes.end(), 0);
    batch.classes = proxies->classes;
    others = {proxies->euclidean, proxies->hyperbolic, proxies->grad_euclidean, proxies->grad_hyperbolic,
              classes.data()};
  }
  const Rows &anchors = variant.options.proxies_are_anchors ? others : batch,
             &references = variant.options.proxies_are_anchors ? batch : others;
  PairLossArgs pairs;
  pairs.type = args.type;
  pairs.variant = variant.loss;
  pairs.alpha = variant.options.alpha;
  pairs.beta = variant.options.beta;
  pairs.base = variant.options.base;
  pairs.margin = variant.options.margin;
  pairs.geometry = args.geometry;
  pairs.guards = args.guards;
  pairs.tied = args.tied;
  pairs.tau_e = args.tau_e;
  pairs.tau_h = args.tau_h;
  pairs.lambda = args.lambda;
  pairs.c = args.c;
  pairs.clip = args.clip;
  pairs.euclidean = anchors.euclidean;
  pairs.hyperbolic = anchors.hyperbolic;
  pairs.ref_euclidean = references.euclidean;
  pairs.ref_hyperbolic = references.hyperbolic;
  pairs.columns = 1;
  pairs.labels = anchors.classes;
  pairs.ref_labels = references.classes;
  pairs.loss = args.loss;
  pairs.grad_euclidean = anchors.grad_euclidean;
  pairs.grad_hyperbolic = anchors.grad_hyperbolic;
  pairs.grad_ref_euclidean = references.grad_euclidean;
  pairs.grad_ref_hyperbolic = references.grad_hyperbolic;
  pairs.grad_params = args.grad_params;
  return backend.pair_loss(pairs, run);
}

}  // namespace horoball::train
