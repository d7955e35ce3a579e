#pragma once

#include "room.h"

namespace horoball::train {

// The Euclidean contrastive loss with its negatives weighted by exp(beta s), for `args` as the core's table
// takes them. Fills what the core would: the loss, the statistics, the gradient in the rows and (tau_e only)
// in the numbers.
void hard_negatives(const ContrastArgs& args, double beta, const Flag* cancel);

}  // namespace horoball::train
