#pragma once

#include "environment.h"

namespace horoball::train {

// A pair loss, averaged over its terms, and the parameters of the multi-similarity loss.
struct PairVariant {
  Loss loss{};
  double alpha = 0, beta = 0, base = 0;
};

// A pair loss of a batch with the same number of views per class, on the host. Takes the arguments of the core's loss over
// views and fills the same results; the statistics are those of that loss.
Status pair_loss(const Backend& backend, const ContrastArgs& args, const PairVariant& variant,
                 const Run& run);

}  // namespace horoball::train
