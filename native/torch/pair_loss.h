#pragma once

#include "loss_options.h"

namespace horoball::train {

// A pair loss and its options. Its terms are averaged.
struct PairVariant {
  Loss loss{};
  PairOptions options;
};

// Proxies with which the batch is compared, one row per class.
struct ProxySides {
  ConstMatrix euclidean, hyperbolic;
  Matrix grad_euclidean, grad_hyperbolic;
  const std::int32_t* classes = nullptr;  // of each row of the batch
};

// Computes a pair loss of a batch with the same number of views per class, on the host: between its rows, or against
// proxies. The arguments and results are those of the core's loss over views (ContrastArgs); the statistics are computed by
// that loss.
Status pair_loss(const Backend& backend, const ContrastArgs& args, const PairVariant& variant, const Run& run,
                 const ProxySides* proxies = nullptr);

}  // namespace horoball::train
