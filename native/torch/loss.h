#pragma once

#include "room.h"

namespace horoball::train {

void bind_loss(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
