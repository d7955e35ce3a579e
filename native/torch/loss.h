#pragma once

#include "environment.h"

namespace horoball::train {

void bind_loss(Exports& exports);

}  // namespace horoball::train
