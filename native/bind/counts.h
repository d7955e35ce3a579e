// Counts the elements of a matrix, for the Node and WebAssembly bindings and the training addon.
#pragma once

#include <cstdint>

namespace horoball::bind {

// The largest integer up to which JavaScript numbers are exact: Number.MAX_SAFE_INTEGER.
inline constexpr std::int64_t kSafeInteger = (std::int64_t{1} << 53) - 1;

// Returns rows * cols, or -1 if either is negative or the product is not a safe integer in JavaScript.
constexpr std::int64_t element_count(std::int64_t rows, std::int64_t cols) {
  if (rows < 0 || cols < 0) return -1;
  return cols == 0 || rows <= kSafeInteger / cols ? rows * cols : -1;
}

}  // namespace horoball::bind
