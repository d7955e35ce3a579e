// What gradient caching (Gao et al. 2021, arXiv 2101.06983) and a cross-batch memory (Wang et al. 2020, arXiv
// 1912.06798) do to embeddings between the network and the loss.
#pragma once

#include "room.h"

namespace horoball::train {

void bind_cache(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
