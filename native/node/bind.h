// Arguments from JavaScript into the core's plain structs. A function is bound by naming a table slot and the
// members of its argument struct in call order: each member's type chooses its converter, so that there is
// one converter a type and no hand-written argument code a function.
//
// JavaScript has checked everything and named the argument in its errors; here only what could crash is
// checked again (types, lengths, null data), because a buffer may have been detached in between.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "../core.h"

namespace horoball::node {

inline Napi::Error coded(Napi::Error error, const char* code) {
  error.Set("code", Napi::String::New(error.Env(), code));
  return error;
}

// A typed array that a call reads or writes, and where its memory was when the call began.
struct Held {
  napi_value array = nullptr;
  const void* data = nullptr;
};

// A member that is a list; `length` is a number or a function of the arguments read before it.
template <auto member, auto length>
struct List {};

// Reads the arguments of one call from left to right.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : env_(info.Env()), info_(info) {}

  Napi::Env env() const { return env_; }
  Type type() const { return type_; }  // of the matrices, which agree
  std::span<const Held> held() const { return {held_.data(), count_}; }

  template <class Args, class Member>
  void read(Args& args, Member Args::*member) {
    convert(args.*member);
  }
  template <class Args, auto member, auto length>
  void read(Args& args, List<member, length>) {
    if constexpr (std::is_integral_v<decltype(length)>) {
      convert(args.*member, length);
    } else {
      convert(args.*member, length(args));
    }
  }

  template <class Number>
    requires std::is_arithmetic_v<Number>
  Number number() {
    double value = 0;
    if (napi_get_value_double(env_, next(), &value) != napi_ok) fail("a number");
    return static_cast<Number>(value);
  }

  // Numbers of a call in one array, which costs less than as many arguments. Read before the call goes on.
  std::span<const double> numbers(std::size_t count) {
    const auto* data = static_cast<const double*>(memory(next(), kFloat64, static_cast<std::int64_t>(count)));
    --count_;  // nothing to keep alive
    return {data, count};
  }

  // A matrix whose shape is known already; null or undefined: not given.
  template <class Shape>
  void matrix(Shape& to, double rows, double cols) {
    const Napi::Value value = next();
    if (cols == 0 && (value.IsNull() || value.IsUndefined())) return;
    to.rows = static_cast<std::int64_t>(rows);
    to.cols = static_cast<std::int64_t>(cols);
    to.data = memory(value, kReal, to.rows * to.cols);
  }

  template <class Item>
  void list(Item*& to, std::int64_t length) {
    convert(to, length);
  }

  void require(bool holds, const char* what) const {
    if (!holds) fail(what);
  }

 private:
  Napi::Value next() { return info_[place_++]; }

  [[noreturn]] void fail(const char* expected) const {
    const auto message = "argument " + std::to_string(place_) + ": expected " + expected;
    throw coded(Napi::TypeError::New(env_, message), "ERR_HOROBALL_TYPE");
  }

  void convert(double& to) { to = number<double>(); }
  void convert(std::int32_t& to) { to = number<std::int32_t>(); }
  void convert(std::int64_t& to) { to = number<std::int64_t>(); }
  void convert(bool& to) {
    if (napi_get_value_bool(env_, next(), &to) != napi_ok) fail("a boolean");
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void convert(Enum& to) {
    const auto value = number<double>();
    require(value >= 0 && value < 256, "a small index");
    to = static_cast<Enum>(static_cast<std::uint8_t>(value));
  }

  // A matrix is three arguments: data (null: not given), rows, cols.
  template <class Shape>
    requires std::is_same_v<Shape, Matrix> || std::is_same_v<Shape, ConstMatrix>
  void convert(Shape& to) {
    const Napi::Value value = next();
    to.rows = number<std::int64_t>();
    to.cols = number<std::int64_t>();
    to.data = memory(value, kReal, to.rows * to.cols);
  }

  // Several of a kind: how many, then each.
  template <class Item, std::size_t N>
  void convert(Item (&to)[N]) {
    const auto count = number<std::size_t>();
    require(count <= N, "fewer of a kind");
    for (std::size_t i = 0; i < count; ++i) convert(to[i]);
  }

  // A list is one argument, null where not given. Structs of doubles are lists of doubles.
  template <class Item>
  void convert(Item*& to, std::int64_t length) {
    const Napi::Value value = next();
    to = static_cast<Item*>(memory(value, element<std::remove_const_t<Item>>(), length));
  }

  // What may stand in a typed array; kReal is float32 or float64, the same in every matrix of a call.
  enum Element { kReal, kFloat64, kInt32, kUint8 };

  template <class Item>
  static constexpr Element element() {
    if constexpr (std::is_same_v<Item, std::int32_t>) return kInt32;
    if constexpr (std::is_same_v<Item, std::uint8_t>) return kUint8;
    return kFloat64;
  }

  void* memory(napi_value value, Element element, std::int64_t length) {
    napi_typedarray_type got;
    std::size_t size = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, value, &got, &size, &data, nullptr, nullptr) != napi_ok) {
      if (Napi::Value(env_, value).IsNull()) return nullptr;
      fail("a typed array or null");
    }
    if (!matches(element, got)) fail("another element type");
    if (length < 0 || size != static_cast<std::uint64_t>(length)) fail("an array of the right length");
    require(count_ < held_.size(), "fewer arrays");
    held_[count_++] = {value, data};
    return data;
  }

  bool matches(Element element, napi_typedarray_type got) {
    switch (element) {
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
  Type type_ = Type::f32;
  bool typed_ = false;
  std::array<Held, 16> held_{};
  std::size_t count_ = 0;
};

// ---- Tables across addons ----

inline constexpr napi_type_tag kBackendTag = {0x9d0f2f6a5b7c4c11, 0xa3c1e7b45f0d8e62};

// The table inside a value made by the core's `backend()`; throws when it is something else or of another
// ABI.
inline const Backend* backend_from(const Napi::Value& value) {
  bool tagged = false;
  const bool checked =
      value.IsExternal() && napi_check_object_type_tag(value.Env(), value, &kBackendTag, &tagged) == napi_ok;
  const auto* backend = checked && tagged ? value.As<Napi::External<Backend>>().Data() : nullptr;
  if (backend == nullptr || backend->abi != kAbi) {
    throw coded(Napi::TypeError::New(value.Env(), "expected a table of this version's core"),
                "ERR_HOROBALL_ABI");
  }
  return backend;
}

}  // namespace horoball::node
