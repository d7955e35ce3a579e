#include "file_lock.h"

#include "bind.h"

#if !defined(_WIN32)
#include <sys/file.h>

#include <cerrno>
#endif

namespace horoball::node {

Napi::Value lock_file(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const auto descriptor = in.take<int>();
  const auto exclusive = in.take<bool>();
#if defined(_WIN32)
  static_cast<void>(descriptor);
  static_cast<void>(exclusive);
  return in.env().Null();
#else
  // A flock(2) belongs to the open file, not the process: it also excludes other threads of the same process, and a killed
  // process leaves no lock behind.
  if (flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
    return Napi::Boolean::New(in.env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(in.env(), false);
  return in.env().Null();
#endif
}

Napi::Value unlock_file(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const auto descriptor = in.take<int>();
#if defined(_WIN32)
  static_cast<void>(descriptor);
#else
  flock(descriptor, LOCK_UN);
#endif
  return in.env().Undefined();
}

}  // namespace horoball::node
