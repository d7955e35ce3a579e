// Stable error codes, one per Code other than ok.
#pragma once

#include "../core.h"

namespace horoball::bind {

inline const char* code_name(Code code) {
  static constexpr const char* kNames[] = {"",
                                           "ERR_HOROBALL_CANCELLED",
                                           "ERR_HOROBALL_MEMORY",
                                           "ERR_HOROBALL_DEVICE",
                                           "ERR_HOROBALL_UNSUPPORTED",
                                           "ERR_HOROBALL_SHAPE",
                                           "ERR_HOROBALL_INTERNAL"};
  return kNames[static_cast<int>(code)];
}

}  // namespace horoball::bind
