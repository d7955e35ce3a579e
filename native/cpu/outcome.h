// What every family answers with.
#pragma once

#include <cstdio>

#include "core.h"
#include "cpu/scratch.h"

namespace horoball {
namespace {

inline bool is_cancelled(const Run& run) {
  return run.cancelled != nullptr && run.cancelled->load(std::memory_order_relaxed);
}

inline Status finished(const Run& run) {
  Status status;
  if (is_cancelled(run)) status.code = Code::cancelled;
  return status;
}

inline Status no_memory(const Scratch& scratch) {
  Status status;
  status.code = Code::memory;
  std::snprintf(status.message, sizeof status.message, "no memory for %zu bytes of working space",
                scratch.bytes);
  return status;
}

}  // namespace
}  // namespace horoball
