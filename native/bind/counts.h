// The count of elements of a matrix, as both bindings and the training addon compute it.
#pragma once

#include <cstdint>

namespace horoball::bind {

// Integers that a JavaScript number holds exactly.
inline constexpr std::int64_t kSafeInteger = (std::int64_t{1} << 53) - 1;

// rows * cols, or -1 if either is negative or the product is not a length that JavaScript can have.
constexpr std::int64_t element_count(std::int64_t rows, std::int64_t cols) {
  if (rows < 0 || cols < 0) return -1;
  return cols == 0 || rows <= kSafeInteger / cols ? rows * cols : -1;
}

}  // namespace horoball::bind
