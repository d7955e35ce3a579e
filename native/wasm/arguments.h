// Converts arguments from JavaScript to C++, like node/bind.h, but from an array of slots that lib/wasm/instance.ts writes.
//
// This build has no exceptions: the first failed check is recorded, later reads return harmless values, and `launch` does
// not run the work.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <type_traits>

#include "../bind/calls.h"
#include "../bind/code.h"
#include "../core.h"

namespace horoball::wasm {

using bind::element_count;
using bind::kSafeInteger;

// The kinds of values in a slot. lib/wasm/instance.ts has the same list.
enum class Kind : std::int32_t {
  number,
  boolean,
  null,
  undefined,
  float32,
  float64,
  int32,
  uint8,
  array,
  other
};

// One argument as JavaScript writes it: a number, or the address and length of a typed array that was copied here.
struct Argument {
  double value = 0;
  std::int32_t kind = static_cast<std::int32_t>(Kind::undefined);
  std::uint32_t length = 0;

  bool is(Kind wanted) const { return kind == static_cast<std::int32_t>(wanted); }
};
static_assert(sizeof(Argument) == 16);

// How a call ended.
struct Outcome {
  const char* code = "";  // empty on success
  char message[256] = {};
};

struct Call {
  std::span<const Argument> arguments;
  Outcome& outcome;
  bool cancellable = false;
  std::uint64_t outputs = 0;  // the indices of the arrays that the call writes, one bit each
};

// The call buffer, which short calls read and write (`call_row_short` in bind/calls.h), and its length.
inline constexpr std::size_t kCallBufferLength = 256;
std::span<double> call_buffer();

class Arguments {
 public:
  using Info = Call&;
  using Result = void;

  explicit Arguments(Call& call) : call_(call) {}

  Call& call() const { return call_; }
  bool ok() const { return *call_.outcome.code == '\0'; }
  Type type() const { return type_; }  // the element type of the matrices, the same in all

  // Nothing to do: every array of a call is a copy.
  void before_job(double) {}
  void before_job_in_last_argument() {}

  // Reads the next argument: a number, a boolean or the index of an enumerator.
  template <class T>
  T take() {
    const Argument argument = next();
    if constexpr (std::is_same_v<T, bool>) {
      require(argument.is(Kind::boolean), "a boolean");
      return argument.value != 0;
    } else {
      require(argument.is(Kind::number), "a number");
      if constexpr (std::is_enum_v<T>) {
        const auto index = whole<std::int32_t>(argument.value);
        const bool known = index >= 0 && index <= static_cast<std::int32_t>(last_of(T{}));
        require(known, "the index of a known name");
        return known ? static_cast<T>(index) : T{};
      } else if constexpr (std::is_integral_v<T>) {
        return whole<T>(argument.value);
      } else {
        return argument.value;
      }
    }
  }

  // Reads a member of an argument struct: a scalar (one argument) or a matrix (three: data or null, rows, columns).
  template <class Args, class Member>
  void read(Args& args, Member Args::*member) {
    if constexpr (std::is_same_v<Member, Matrix> || std::is_same_v<Member, ConstMatrix>) {
      const std::size_t index = index_;
      const Argument data = next();
      const auto rows = take<std::int64_t>();
      shape(args.*member, data, index, rows, take<std::int64_t>());
    } else {
      args.*member = take<Member>();
    }
  }

  // Reads the scalars of a call, which JavaScript passes as one array of `count` numbers.
  std::span<const double> numbers(std::size_t count) {
    const void* data = memory(next(), Kind::float64, static_cast<std::int64_t>(count));
    require(data != nullptr, "an array of numbers");
    static constexpr double kNone[kCallBufferLength] = {};
    return {data == nullptr ? kNone : static_cast<const double*>(data), count};
  }

  // Reads a matrix whose shape is already known. Null or undefined means "not given" if `cols` is 0.
  template <class Shape>
  void matrix(Shape& to, double rows, double cols) {
    const std::size_t index = index_;
    const Argument data = next();
    if (cols == 0 && (data.is(Kind::null) || data.is(Kind::undefined))) return mark<decltype(to.data)>(index);
    shape(to, data, index, whole<std::int64_t>(rows), whole<std::int64_t>(cols));
  }

  // Reads a list of known length; null means "not given". A struct of doubles counts as a list of doubles.
  template <class Item>
  void list(Item*& to, std::int64_t length) {
    const std::size_t index = index_;
    mark<Item*>(index);
    to = static_cast<Item*>(memory(next(), kind_of<std::remove_const_t<Item>>(), length));
  }

  template <class Integer>
  Integer whole(double value) const {
    constexpr auto kLow = static_cast<double>(std::numeric_limits<Integer>::min());
    constexpr auto kHigh = static_cast<double>(std::numeric_limits<Integer>::max());
    constexpr auto kSafe = static_cast<double>(kSafeInteger);
    const bool fits = value >= (kLow > -kSafe ? kLow : -kSafe) && value <= (kHigh < kSafe ? kHigh : kSafe) &&
                      value == std::trunc(value);
    require(fits, "an integer in range");
    return fits ? static_cast<Integer>(value) : 0;
  }

  void require(bool holds, const char* expected) const {
    if (holds || !ok()) return;
    call_.outcome.code = "ERR_HOROBALL_TYPE";
    std::snprintf(call_.outcome.message, sizeof call_.outcome.message, "argument %zu: expected %s", index_,
                  expected);
  }

 private:
  Argument next() {
    const std::size_t index = index_++;
    return index < call_.arguments.size() ? call_.arguments[index] : Argument{};
  }

  // Marks an array that the call writes.
  template <class Pointer>
  void mark(std::size_t index) const {
    if (!std::is_const_v<std::remove_pointer_t<Pointer>>) call_.outputs |= std::uint64_t{1} << index;
  }

  template <class Item>
  static constexpr Kind kind_of() {
    if constexpr (std::is_same_v<Item, std::int32_t>) return Kind::int32;
    if constexpr (std::is_same_v<Item, std::uint8_t>) return Kind::uint8;
    if constexpr (std::is_same_v<Item, float>) return Kind::float32;
    return Kind::float64;
  }

  template <class Shape>
  void shape(Shape& to, const Argument& data, std::size_t index, std::int64_t rows, std::int64_t cols) {
    mark<decltype(to.data)>(index);
    to.rows = rows;
    to.cols = cols;
    // Float32 or float64, the same in every matrix of a call.
    const bool real = data.is(Kind::float32) || data.is(Kind::float64);
    if (real && !typed_) type_ = data.is(Kind::float32) ? Type::f32 : Type::f64;
    typed_ |= real;
    to.data = memory(data, type_ == Type::f32 ? Kind::float32 : Kind::float64, element_count(rows, cols));
  }

  // Returns the address of a typed array; null for JavaScript's null, and if a check fails.
  void* memory(const Argument& data, Kind kind, std::int64_t length) {
    require(length >= 0, "a nonnegative length");
    if (data.is(Kind::null)) return nullptr;
    require(data.kind >= static_cast<std::int32_t>(Kind::float32) && !data.is(Kind::other), "a typed array");
    require(data.is(kind), "an array of the expected element type");
    require(length == data.length, "an array of the expected length");
    if (!ok()) return nullptr;
    // An empty array has no memory; null means "not given".
    static std::int64_t empty;
    const auto address = static_cast<std::uintptr_t>(data.value);
    return address == 0 ? &empty : reinterpret_cast<void*>(address);
  }

  Call& call_;
  std::size_t index_ = 0;
  Type type_ = Type::f32;
  bool typed_ = false;
};

inline void refuse(const Arguments& in, const Status& why) {
  if (!in.ok()) return;
  Outcome& outcome = in.call().outcome;
  outcome.code = bind::code_name(why.code);
  std::snprintf(outcome.message, sizeof outcome.message, "%s", why.message);
}

// Runs the check, then `work`, on this thread; lib/wasm runs jobs in a worker.
template <class Holds, class Work>
void launch(const Arguments& in, const bind::Launch&, const bind::Check<Holds>& check, const Work& work) {
  if (!in.ok()) return;
  in.require(check.holds(), check.expected);
  if (!in.ok()) return;
  static const std::atomic<bool> kPoll{false};
  Run run;
  run.threads = 1;
  run.cancelled = in.call().cancellable ? &kPoll : nullptr;
  const Status status = work(run);
  if (status.code != Code::ok) refuse(in, status);
}

inline std::span<double> call_buffer_of(const Arguments&) { return call_buffer(); }

}  // namespace horoball::wasm
