// Finds where the first non-finite value came from.
#pragma once

#include "environment.h"

namespace horoball::train {

void bind_trace(Exports& exports);

}  // namespace horoball::train
