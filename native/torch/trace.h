// Where the first value that is no finite number came from.
#pragma once

#include "room.h"

namespace horoball::train {

void bind_trace(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
