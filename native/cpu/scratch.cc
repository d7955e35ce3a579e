#include "cpu/scratch.h"

#include <cstdlib>

namespace horoball {

Scratch::Scratch(std::size_t wanted) : bytes((wanted + kAlignment - 1) / kAlignment * kAlignment) {
  data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes == 0 ? kAlignment : bytes));
}

Scratch::~Scratch() { std::free(data); }

}  // namespace horoball
