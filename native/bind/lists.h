// What the bindings share with each other: the count of elements of a matrix, and lists of known length.
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

// A member that is a list; `length` is a number or a function of the arguments read before it.
template <auto member, auto length>
struct List {};

// Reads a list member into `args`.
template <class In, class Args, auto member, auto length>
void read_list(In& in, Args& args, List<member, length>) {
  if constexpr (requires { length(args); }) {
    in.list(args.*member, length(args));
  } else {
    in.list(args.*member, length);
  }
}

}  // namespace horoball::bind
