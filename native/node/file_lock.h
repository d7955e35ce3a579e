#pragma once

#include <napi.h>

namespace horoball::node {

// Locks an open file, exclusively or shared, without waiting. Returns true; false if another descriptor holds a
// conflicting lock; null if locking fails for another reason, as on a system or file system without such locks.
Napi::Value lock_file(const Napi::CallbackInfo& info);

// Releases the lock of an open file. Closing the descriptor is not enough, because a child process shares the open file
// between fork and exec.
Napi::Value unlock_file(const Napi::CallbackInfo& info);

}  // namespace horoball::node
