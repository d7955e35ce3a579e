// Working memory of a call: one aligned block, cut by hand. Not a std container, because the ISA objects may
// not instantiate templates of the standard library (see isa.cc).
#pragma once

#include <cstddef>

namespace horoball {

inline constexpr std::size_t kAlignment = 64;

// An owned block of bytes, aligned to a cache line, not cleared. `data` is null when there was no memory.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

}  // namespace horoball
