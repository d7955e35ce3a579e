// Fuzzes every function of the core and its argument checks, without Node: `npm run fuzz` builds and runs this with
// libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer. HOROBALL_FUZZ_FUNCTION selects one function by name.
//
// The bytes of an input determine the arguments. `Drawn` takes the place of a binding: for each argument that a function
// reads, it generates one that is likely to be valid, in memory of exactly its size. Some are then replaced with invalid
// ones, and the function is called through the binding for WebAssembly, which works without a WebAssembly engine.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "wasm/arguments.h"

namespace horoball::wasm {

std::span<double> call_buffer() {
  static double memory[kCallBufferLength];
  return memory;
}

}  // namespace horoball::wasm

namespace {

using horoball::bind::Launch;
using horoball::wasm::Argument;
using horoball::wasm::Kind;

// The bytes of an input, followed by zeros.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  std::uint8_t next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  int below(int n) { return next() % n; }
  bool rarely() { return next() > 240; }
  double real() {
    std::uint8_t raw[sizeof(double)];
    for (std::uint8_t& byte : raw) byte = next();
    double value;
    std::memcpy(&value, raw, sizeof value);
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// Arguments of one call, and the memory of their arrays.
struct Slots {
  std::vector<Argument> list;
  std::vector<std::unique_ptr<std::uint8_t[]>> memory;

  void* add(Kind kind, std::size_t length, std::size_t bytes) {
    memory.push_back(std::make_unique<std::uint8_t[]>(length * bytes));
    const auto address = static_cast<double>(reinterpret_cast<std::uintptr_t>(memory.back().get()));
    list.push_back(
        {length == 0 ? 0 : address, static_cast<std::int32_t>(kind), static_cast<std::uint32_t>(length)});
    return memory.back().get();
  }
  void add(double number) { list.push_back({number, static_cast<std::int32_t>(Kind::number)}); }
  void add(bool value) { list.push_back({value ? 1.0 : 0.0, static_cast<std::int32_t>(Kind::boolean)}); }
};

constexpr std::int64_t kMostElements = 1 << 16;

class Drawn {
 public:
  struct Call {
    Bytes& bytes;
    Slots& slots;
  };
  using Info = Call&;
  using Result = void;

  explicit Drawn(Call& call) : bytes_(call.bytes), slots_(call.slots) {
    type_ = bytes_.below(2) == 0 ? horoball::Type::f32 : horoball::Type::f64;
    for (std::int64_t& size : sizes_) size = bytes_.rarely() ? bytes_.next() : bytes_.below(20);
  }

  horoball::Type type() const { return type_; }
  void before_job(double) {}
  void before_job_in_last_argument() {}

  template <class T>
  T take() {
    T value{};
    if constexpr (std::is_same_v<T, bool>) {
      value = bytes_.below(2) == 1;
      slots_.add(value);
    } else {
      if constexpr (std::is_enum_v<T>) {
        value = static_cast<T>(bytes_.below(static_cast<int>(horoball::last_of(T{})) + 1));
      } else if constexpr (std::is_integral_v<T>) {
        value = static_cast<T>(bytes_.below(4) == 0 ? bytes_.below(4) - 1 : size());
      } else {
        constexpr double kUsual[] = {1, 0.1, 0.5, 2, 1e-6, 1e6, 0, -1};
        value = bytes_.rarely() ? bytes_.real() : kUsual[bytes_.below(8)];
      }
      slots_.add(static_cast<double>(value));
    }
    return value;
  }

  template <class Args, class Member>
  void read(Args& args, Member Args::*member) {
    if constexpr (std::is_same_v<Member, horoball::Matrix> || std::is_same_v<Member, horoball::ConstMatrix>) {
      const std::int64_t rows = size(), cols = size();
      matrix(args.*member, static_cast<double>(rows), static_cast<double>(cols));
      slots_.add(static_cast<double>(rows));
      slots_.add(static_cast<double>(cols));
    } else {
      args.*member = take<Member>();
    }
  }

  std::span<const double> numbers(std::size_t count) {
    auto* at = static_cast<double*>(slots_.add(Kind::float64, count, sizeof(double)));
    for (std::size_t i = 0; i < count; ++i) at[i] = static_cast<double>(i < 2 ? bytes_.below(30) : size());
    using namespace horoball::bind::row_call;
    at[guards] = bytes_.below(2);
    at[c] = at[parameter] = 1;
    at[device] = -1;
    at[threads] = 1;
    at[job] = 0;
    return {at, count};
  }

  template <class Shape>
  void matrix(Shape& to, double rows, double cols) {
    to.rows = static_cast<std::int64_t>(rows);
    to.cols = static_cast<std::int64_t>(cols);
    const std::int64_t length = horoball::bind::element_count(to.rows, to.cols);
    if (length < 0 || length > kMostElements || bytes_.rarely()) {
      slots_.list.push_back({0, static_cast<std::int32_t>(Kind::null)});
      return;
    }
    const bool single = type_ == horoball::Type::f32;
    to.data = slots_.add(single ? Kind::float32 : Kind::float64, static_cast<std::size_t>(length),
                         single ? sizeof(float) : sizeof(double));
    if (single) {
      fill(static_cast<float*>(const_cast<void*>(static_cast<const void*>(to.data))), length);
    } else {
      fill(static_cast<double*>(const_cast<void*>(static_cast<const void*>(to.data))), length);
    }
  }

  template <class Item>
  void list(Item*& to, std::int64_t length) {
    using Value = std::remove_const_t<Item>;
    if (length < 0 || length > kMostElements || bytes_.rarely()) {
      slots_.list.push_back({0, static_cast<std::int32_t>(Kind::null)});
      return;
    }
    const auto count = static_cast<std::size_t>(length);
    if constexpr (std::is_same_v<Value, std::int32_t>) {
      auto* at = static_cast<std::int32_t*>(slots_.add(Kind::int32, count, sizeof(Value)));
      for (std::size_t i = 0; i < count; ++i)
        at[i] = bytes_.rarely() ? bytes_.next() - 2 : static_cast<std::int32_t>(i);
      to = at;
    } else if constexpr (std::is_same_v<Value, std::uint8_t>) {
      auto* at = static_cast<std::uint8_t*>(slots_.add(Kind::uint8, count, 1));
      for (std::size_t i = 0; i < count; ++i)
        at[i] = i < 64 ? bytes_.next() : static_cast<std::uint8_t>(i * 37);
      to = at;
    } else {
      // Numbers and structs of numbers.
      auto* at = static_cast<double*>(slots_.add(Kind::float64, count, sizeof(double)));
      for (std::size_t i = 0; i < count; ++i)
        at[i] = bytes_.rarely()                         ? bytes_.real()
                : i % horoball::image::kStepLength == 0 ? bytes_.below(12)
                                                        : bytes_.below(20);
      to = reinterpret_cast<Item*>(at);
    }
  }

  template <class Integer>
  Integer whole(double value) const {
    return value > -1e6 && value < 1e6 ? static_cast<Integer>(value) : 0;
  }
  void require(bool, const char*) const {}

 private:
  std::int64_t size() { return sizes_[static_cast<std::size_t>(bytes_.below(4))]; }

  // Fills an array with numbers of a random scale, so that points are inside or outside a ball. Rarely replaces one number with
  // a special value.
  template <class T>
  void fill(T* at, std::int64_t length) {
    constexpr double kScales[] = {0.05, 0.3, 1, 1e4, 1e-30};
    const double scale = kScales[bytes_.below(5)];
    std::uint32_t state = bytes_.next();
    for (std::int64_t i = 0; i < length; ++i) {
      state = state * 1664525U + 1013904223U;
      at[i] = static_cast<T>(scale * (state / 4294967296.0 - 0.5));
    }
    constexpr double kStrange[] = {
        std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 0, 1, 3e38, 1e-45};
    if (length > 0 && bytes_.rarely()) at[bytes_.next() % length] = static_cast<T>(kStrange[bytes_.below(6)]);
  }

  Bytes& bytes_;
  Slots& slots_;
  horoball::Type type_;
  std::int64_t sizes_[4];
};

template <class Check, class Work>
void launch(const Drawn&, const Launch&, const Check&, const Work&) {}
void refuse(const Drawn&, const horoball::Status&) {}
std::span<double> call_buffer_of(const Drawn&) { return horoball::wasm::call_buffer(); }

template <class In>
struct Table {
  struct Entry {
    const char* name;
    void (*function)(typename In::Info);
  };
  std::vector<Entry> entries;

  template <void (*function)(typename In::Info)>
  void add(const char* name) {
    entries.push_back({name, function});
  }
};

// Replaces a generated argument with one that is probably invalid, or removes the last arguments.
void invalidate(Bytes& bytes, Slots& slots) {
  if (slots.list.empty()) return;
  Argument& at = slots.list[bytes.next() % slots.list.size()];
  switch (bytes.below(4)) {
    case 0:
      at.kind = bytes.below(10);
      if (at.kind >= static_cast<std::int32_t>(Kind::float32)) at = {0, at.kind, 0};
      break;
    case 1:
      if (at.is(Kind::number)) at.value = bytes.real();
      break;
    case 2:
      if (at.is(Kind::number)) at.value += bytes.below(5) - 2;
      break;
    default:
      slots.list.resize(bytes.next() % slots.list.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto drawing = [] {
    Table<Drawn> table;
    horoball::bind::add_functions<Drawn>(table);
    return table.entries;
  }();
  static const auto calling = [] {
    Table<horoball::wasm::Arguments> table;
    horoball::bind::add_functions<horoball::wasm::Arguments>(table);
    return table.entries;
  }();
  static const char* const only = std::getenv("HOROBALL_FUZZ_FUNCTION");
  Bytes bytes(data, size);
  std::size_t at = bytes.next() % drawing.size();
  if (only != nullptr)
    for (std::size_t i = 0; i < drawing.size(); ++i)
      if (std::string_view(drawing[i].name) == only) at = i;
  Slots slots;
  for (double& number : horoball::wasm::call_buffer()) number = 0;
  if (slots.list.empty() && std::string_view(drawing[at].name).ends_with("Short"))
    for (std::size_t i = 0; i < horoball::bind::kShortData; ++i)
      horoball::wasm::call_buffer()[i] = bytes.rarely() ? bytes.real() : bytes.below(7) - 1;
  Drawn::Call draw{bytes, slots};
  drawing[at].function(draw);
  while (bytes.rarely()) invalidate(bytes, slots);
  horoball::wasm::Outcome outcome;
  horoball::wasm::Call call{slots.list, outcome};
  calling[at].function(call);
  return 0;
}
