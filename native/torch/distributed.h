// The handle that JavaScript has of a group of ranks.
#pragma once

#include "environment.h"

namespace horoball::train {

void bind_distributed(Exports& exports);

}  // namespace horoball::train
