#include "cpu/frame/memory.h"

#include <cstdlib>
#include <limits>

namespace horoball {

Scratch::Scratch(std::uint64_t wanted) : bytes((wanted + kAlignment - 1) / kAlignment * kAlignment) {
  // More than a pointer can reach on 32 bits.
  if (bytes > std::numeric_limits<std::ptrdiff_t>::max()) return;
  data = static_cast<std::byte*>(
      std::aligned_alloc(kAlignment, bytes == 0 ? kAlignment : static_cast<std::size_t>(bytes)));
}

Scratch::~Scratch() { std::free(data); }

}  // namespace horoball
