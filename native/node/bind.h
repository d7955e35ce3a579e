// Converts arguments from JavaScript to C++. A binding lists the members of an argument struct, or the
// parameters of a callable, in call order. The type of each selects its converter, so there is one converter
// per type and no conversion code per function.
//
// The TypeScript layer has already checked every argument, with errors that name it. Anything that could crash the process
// (types, lengths, null data, indices) is checked again here, because this is the last place that can reject it.
#pragma once

#include <napi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../bind/counts.h"
#include "../bind/fields.h"
#include "../core.h"
#include "backing_store.h"
#include "errors.h"

namespace horoball::node {

using bind::element_count;
using bind::kSafeInteger;

// A typed array of any length.
template <class Item>
struct Span {
  Item* data = nullptr;
  std::size_t length = 0;
};

class Arguments;

// Reads one value; specialized per type.
template <class T>
struct Converter;

// Reads the arguments of one call from left to right.
class Arguments {
 public:
  using Info = const Napi::CallbackInfo&;
  using Result = Napi::Value;

  explicit Arguments(const Napi::CallbackInfo& info) : env_(info.Env()), info_(info) {}

  Napi::Env env() const { return env_; }
  Type type() const { return type_; }  // the element type of the matrices, the same in all

  // Returns the typed arrays that a job reads or writes. Throws if one is resizable, or if a getter of a later argument
  // has transferred one.
  std::vector<KeptArray> keep_arrays() const {
    std::vector<KeptArray> kept;
    kept.reserve(count_ + more_.size());
    const auto keep = [&](const Read& read) {
      const auto copy = std::ranges::find(copies_, kept.size(), &Copy::index);
      const KeptArray& array =
          kept.emplace_back(env_, read.value, copy == copies_.end() ? ArrayCopy{} : copy->copy);
      if (array.resizable())
        throw coded(Napi::TypeError::New(env_, "expected buffers of fixed length, got a resizable one"),
                    "ERR_HOROBALL_TYPE");
      if (array.data() != read.data)
        throw coded(Napi::TypeError::New(env_, "a buffer was transferred while the arguments were read"),
                    "ERR_HOROBALL_DETACHED");
    };
    for (std::size_t i = 0; i < count_; ++i) keep(arrays_[i]);
    for (const Read& each : more_) keep(each);
    return kept;
  }

  // Decides whether the arrays of a call are copied: only if it is a job and their memory cannot be kept alive. Must be
  // called before the arrays are read, with the number of the job, or 0 for a synchronous call.
  void before_job(double number) { copies_arrays_ = number != 0 && !keeps_memory(env_); }
  // Like before_job(), for calls whose last argument is the number of the job, or 0.
  void before_job_in_last_argument() {
    if (keeps_memory(env_)) return;
    const Napi::Value last = info_[std::max<std::size_t>(info_.Length(), 1) - 1];
    if (last.IsNumber()) before_job(last.As<Napi::Number>().DoubleValue());
  }

  // Reads the next argument.
  template <class T>
  T take() {
    return convert<T>(next());
  }

  template <class T>
  T convert(const Napi::Value& value) {
    return Converter<T>::from(*this, value);
  }

  // Reads a property of an argument that is an object. Errors contain the name of the property.
  template <class T>
  T property(const Napi::Object& object, const char* name) {
    const char* outer = std::exchange(property_, name);
    T value = convert<T>(object.Get(name));
    property_ = outer;
    return value;
  }

  // Reads a member of an argument struct: a scalar (one argument) or a matrix (three: data or null, rows, columns).
  template <class Args, class Member>
  void read(Args& args, Member Args::*member) {
    if constexpr (std::is_same_v<Member, Matrix> || std::is_same_v<Member, ConstMatrix>) {
      const Napi::Value value = next();
      const auto rows = take<std::int64_t>();
      shape(args.*member, value, rows, take<std::int64_t>());
    } else {
      args.*member = take<Member>();
    }
  }

  // Reads the numbers of a call from one array, which is faster than passing each as an argument. The result is valid
  // until the call returns.
  std::span<const double> numbers(std::size_t count) {
    const auto* data =
        static_cast<const double*>(memory(next(), kFloat64, static_cast<std::int64_t>(count), false));
    require(data != nullptr, "an array of numbers");
    --count_;  // a job need not keep this array alive: it is read before the call returns
    return {data, count};
  }

  // Reads a matrix whose shape is already known. Null or undefined means "not given" if `cols` is 0.
  template <class Shape>
  void matrix(Shape& to, double rows, double cols) {
    const Napi::Value value = next();
    if (cols == 0 && (value.IsNull() || value.IsUndefined())) return;
    shape(to, value, whole<std::int64_t>(rows), whole<std::int64_t>(cols));
  }

  // Reads a list of known length; null means "not given". A struct of doubles counts as a list of doubles.
  template <class Item>
  void list(Item*& to, std::int64_t length) {
    constexpr bool kWritten = !std::is_const_v<Item>;
    to = static_cast<Item*>(memory(next(), element<std::remove_const_t<Item>>(), length, kWritten));
  }

  template <class Item>
  Span<Item> span(napi_value value) {
    std::size_t length = 0;
    auto* data = static_cast<Item*>(typed_array(value, element<Item>(), length));
    return {data, length};
  }

  // Converts to an integer. Checks the range first, because converting a double that the integer type cannot represent is
  // undefined behavior in C++.
  template <class Integer>
  Integer whole(double value) const {
    constexpr auto kLow = static_cast<double>(std::numeric_limits<Integer>::min());
    constexpr auto kHigh = static_cast<double>(std::numeric_limits<Integer>::max());
    constexpr auto kSafe = static_cast<double>(kSafeInteger);
    require(value >= std::max(kLow, -kSafe) && value <= std::min(kHigh, kSafe) && value == std::trunc(value),
            "an integer in range");
    return static_cast<Integer>(value);
  }

  void require(bool holds, const char* expected) const {
    if (!holds) fail(expected);
  }

  [[noreturn]] void fail(const char* expected) const {
    const std::string name = property_ == nullptr ? "" : std::string(".") + property_;
    throw argument_error(env_, "argument " + std::to_string(place_) + name + ": expected " + expected);
  }

 private:
  Napi::Value next() { return info_[place_++]; }

  // The element types of typed arrays. kReal is float32 or float64, the same in every matrix of a call.
  enum Element { kReal, kFloat32, kFloat64, kInt32, kUint8 };

  template <class Item>
  static constexpr Element element() {
    if constexpr (std::is_same_v<Item, std::int32_t>) return kInt32;
    if constexpr (std::is_same_v<Item, std::uint8_t>) return kUint8;
    if constexpr (std::is_same_v<Item, float>) return kFloat32;
    return kFloat64;
  }

  template <class Shape>
  void shape(Shape& to, napi_value value, std::int64_t rows, std::int64_t cols) {
    to.rows = rows;
    to.cols = cols;
    to.data = memory(value, kReal, element_count(rows, cols), std::is_same_v<Shape, Matrix>);
  }

  // Returns the memory of a typed array, or of the copy that a job uses; null for JavaScript's null.
  void* memory(napi_value value, Element element, std::int64_t length, bool written) {
    require(length >= 0, "a nonnegative length");
    if (Napi::Value(env_, value).IsNull()) return nullptr;
    std::size_t size = 0;
    void* data = typed_array(value, element, size);
    require(size == static_cast<std::uint64_t>(length), "an array of the expected length");
    // An empty array may have no memory; null means "not given".
    static std::int64_t empty;
    if (data == nullptr) return &empty;
    if (!copies_arrays_ || !can_be_lost(env_, value)) return data;
    return copy_of(data, size * Napi::TypedArray(env_, value).ElementSize(), written);
  }

  // Returns a copy of the array that was read last. Arguments with the same memory share a copy, because the core compares
  // addresses.
  void* copy_of(const void* data, std::size_t bytes, bool written) {
    const auto same = std::ranges::find_if(
        copies_, [&](const Copy& each) { return each.of == data && each.copy.bytes == bytes; });
    ArrayCopy copy{same == copies_.end() ? nullptr : same->copy.memory, bytes, written};
    if (copy.memory == nullptr) {
      allocating(env_, bytes, [&] { copy.memory.reset(new std::byte[bytes]); });
      std::memcpy(copy.memory.get(), data, bytes);
    }
    copies_.push_back({count_ + more_.size() - 1, data, copy});
    return copy.memory.get();
  }

  void* typed_array(napi_value value, Element element, std::size_t& length) {
    napi_typedarray_type got;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, value, &got, &length, &data, nullptr, nullptr) != napi_ok) {
      fail("a typed array");
    }
    require(matches(element, got), "an array of the expected element type");
    if (count_ < arrays_.size()) {
      arrays_[count_++] = {value, data};
    } else {
      more_.push_back({value, data});
    }
    return data;
  }

  bool matches(Element element, napi_typedarray_type got) {
    switch (element) {
      case kFloat32:
        return got == napi_float32_array;
      case kFloat64:
        return got == napi_float64_array;
      case kInt32:
        return got == napi_int32_array;
      case kUint8:
        return got == napi_uint8_array;
      case kReal:
        break;
    }
    if (got != napi_float32_array && got != napi_float64_array) return false;
    const Type type = got == napi_float32_array ? Type::f32 : Type::f64;
    if (typed_ && type != type_) return false;
    type_ = type;
    typed_ = true;
    return true;
  }

  Napi::Env env_;
  const Napi::CallbackInfo& info_;
  std::size_t place_ = 0;
  const char* property_ = nullptr;
  Type type_ = Type::f32;
  bool typed_ = false;
  // A typed array, and the address of its memory when the argument was read.
  struct Read {
    napi_value value = nullptr;
    void* data = nullptr;
  };
  std::array<Read, 12> arrays_{};  // enough for most calls of the core without an allocation
  std::size_t count_ = 0;
  std::vector<Read> more_;
  // The copy of an array, its index among the arrays read, and the array's own memory.
  struct Copy {
    std::size_t index = 0;
    const void* of = nullptr;
    ArrayCopy copy;
  };
  bool copies_arrays_ = false;
  std::vector<Copy> copies_;
};

// ---- Converters ----

template <class Number>
  requires std::is_arithmetic_v<Number>
struct Converter<Number> {
  static Number from(Arguments& in, const Napi::Value& value) {
    double number = 0;
    in.require(napi_get_value_double(in.env(), value, &number) == napi_ok, "a number");
    if constexpr (std::is_integral_v<Number>) {
      return in.whole<Number>(number);
    } else {
      return number;
    }
  }
};

template <>
struct Converter<bool> {
  static bool from(Arguments& in, const Napi::Value& value) {
    bool to = false;
    in.require(napi_get_value_bool(in.env(), value, &to) == napi_ok, "a boolean");
    return to;
  }
};

// Enumerations are passed as indices.
template <class Enum>
  requires std::is_enum_v<Enum>
struct Converter<Enum> {
  static Enum from(Arguments& in, const Napi::Value& value) {
    const auto index = in.convert<std::int32_t>(value);
    in.require(index >= 0 && index <= static_cast<std::int32_t>(last_of(Enum{})),
               "the index of a known name");
    return static_cast<Enum>(index);
  }
};

template <>
struct Converter<std::string> {
  static std::string from(Arguments& in, const Napi::Value& value) {
    std::size_t length = 0;
    const auto status = napi_get_value_string_utf8(in.env(), value, nullptr, 0, &length);
    in.require(status == napi_ok, "a string");
    return allocating(in.env(), length, [&] { return value.As<Napi::String>().Utf8Value(); });
  }
};

// Empty for JavaScript's null.
template <class T>
struct Converter<std::optional<T>> {
  static std::optional<T> from(Arguments& in, const Napi::Value& value) {
    if (value.IsNull()) return std::nullopt;
    return in.convert<T>(value);
  }
};

template <>
struct Converter<Napi::Object> {
  static Napi::Object from(Arguments& in, const Napi::Value& value) {
    in.require(value.IsObject(), "an object");
    return value.As<Napi::Object>();
  }
};

template <class Item>
struct Converter<Span<Item>> {
  static Span<Item> from(Arguments& in, const Napi::Value& value) { return in.span<Item>(value); }
};

// Memory is not reserved up front: a sparse array may claim any length.
template <class T>
struct Converter<std::vector<T>> {
  static std::vector<T> from(Arguments& in, const Napi::Value& value) {
    in.require(value.IsArray(), "an array");
    const auto list = value.As<Napi::Array>();
    std::vector<T> to;
    for (std::uint32_t i = 0; i < list.Length(); ++i) to.push_back(in.convert<T>(list.Get(i)));
    return to;
  }
};

// ---- Structs that JavaScript passes as objects ----

// A bind::FieldList of the members that are read from an object, with the names of its properties.
template <class T>
inline constexpr auto kProperties = nullptr;
template <class T>
using Properties = std::remove_const_t<decltype(kProperties<T>)>;

template <class T, bind::Name name, auto member>
void read_properties(Arguments& in, const Napi::Object& from, T& to, bind::Field<name, member>) {
  to.*member = in.property<bind::TypeOf<member>>(from, name.text);
}
template <class T, class... Members>
void read_properties(Arguments& in, const Napi::Object& from, T& to, bind::FieldList<Members...>) {
  (read_properties(in, from, to, Members{}), ...);
}

template <class T>
  requires(!std::is_null_pointer_v<Properties<T>>)
struct Converter<T> {
  static T from(Arguments& in, const Napi::Value& value) {
    const auto object = in.convert<Napi::Object>(value);
    T to{};
    read_properties(in, object, to, kProperties<T>);
    return to;
  }
};

// ---- Tables across addons ----

inline constexpr napi_type_tag kBackendTag = {0x9d0f2f6a5b7c4c11, 0xa3c1e7b45f0d8e62};

// Reads the table from a value made by the core's `backend()`. Throws if it is anything else or has another
// ABI.
inline const Backend* backend_from(const Napi::Value& value) {
  bool tagged = false;
  const bool checked =
      value.IsExternal() && napi_check_object_type_tag(value.Env(), value, &kBackendTag, &tagged) == napi_ok;
  const auto* backend = checked && tagged ? value.As<Napi::External<Backend>>().Data() : nullptr;
  if (backend != nullptr && backend->abi == kAbi) return backend;
  throw coded(Napi::TypeError::New(value.Env(), "expected a function table of a core of the same version"),
              "ERR_HOROBALL_ABI");
}

template <>
struct Converter<const Backend*> {
  static const Backend* from(Arguments&, const Napi::Value& value) { return backend_from(value); }
};

}  // namespace horoball::node
