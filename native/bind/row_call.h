// The numbers of a row-wise call, packed into one array of doubles. Passed as separate arguments, each would cost 20 ns,
// and a call with more than six would allocate memory. `npm run ops` writes lib/row/call.ts from this list; a test compares
// the two.
#pragma once

#include <cstddef>

namespace horoball::bind {

// In order: the operation's index, its options, the shapes of the inputs and of the result, and how to run. Only short
// calls (`call_row_short` in calls.h) use the entries after `job`: they read the size of an element, and write the
// gradients of c and of the parameter.
// clang-format off
#define HOROBALL_ROW_CALL(X) \
  X(op) X(guards) X(c) X(parameter) \
  X(rows) X(xRows) X(xCols) X(yRows) X(yCols) X(uRows) X(uCols) X(resultRows) X(resultCols) \
  X(device) X(threads) X(job) \
  X(elementBytes) X(gradC) X(gradParameter)
// clang-format on

namespace row_call {
#define HOROBALL_PLACE(name) name,
enum Place : std::size_t { HOROBALL_ROW_CALL(HOROBALL_PLACE) kCount };
#undef HOROBALL_PLACE

#define HOROBALL_NAME(name) #name,
inline constexpr const char* kNames[] = {HOROBALL_ROW_CALL(HOROBALL_NAME)};
#undef HOROBALL_NAME
}  // namespace row_call

// The length of the array of a call that passes its matrices as separate arguments.
inline constexpr std::size_t kRowNumbers = row_call::job + 1;
// The position in the call buffer at which the elements of a short call begin.
inline constexpr std::size_t kShortData = 20;
static_assert(row_call::kCount <= kShortData);

}  // namespace horoball::bind
