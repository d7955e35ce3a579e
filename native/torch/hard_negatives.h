#pragma once

#include "environment.h"

namespace horoball::train {

// The Euclidean contrastive loss with its negatives weighted by exp(beta s). Takes the arguments of the
// core's table and fills the same results: the loss, the statistics, the gradient of the rows, and of the
// parameters only that of tau_e.
void hard_negatives(const ContrastArgs& args, double beta, const Flag* cancel);

}  // namespace horoball::train
