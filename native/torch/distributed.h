// The JavaScript handle to a group of ranks.
#pragma once

#include "environment.h"

namespace horoball::train {

void bind_distributed(Exports& exports);

}  // namespace horoball::train
