// Finds the origin of the first non-finite value.
#pragma once

#include "environment.h"

namespace horoball::train {

void bind_trace(Exports& exports);

}  // namespace horoball::train
