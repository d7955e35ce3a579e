#pragma once

#include "environment.h"

namespace horoball::train {

void bind_tree(Exports& exports);

}  // namespace horoball::train
