#pragma once

#include "environment.h"

namespace horoball::train {

// The Euclidean contrastive loss with its negatives weighted by exp(beta s). Takes the arguments of the
// core's contrastive loss and fills the same results. tau_e is the only parameter with a nonzero gradient.
void hard_negatives(const ContrastArgs& args, double beta, const Flag* cancel);

}  // namespace horoball::train
