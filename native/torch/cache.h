// Operations on embeddings between the network and the loss, for gradient caching (Gao et al. 2021, arXiv
// 2101.06983) and cross-batch memory (Wang et al. 2020, arXiv 1912.06798).
#pragma once

#include "environment.h"

namespace horoball::train {

void bind_cache(Exports& exports);

}  // namespace horoball::train
