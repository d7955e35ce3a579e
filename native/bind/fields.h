// The arguments of a bound function: the members of its argument struct, in call order, with their names in
// TypeScript. The same list is used to read calls and to describe them: `npm run ops` writes the functions of
// lib/call/binding-calls.ts and lib/image/binding-calls.ts from the description.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>

#include "../core.h"

namespace horoball::bind {

// Text as a template argument.
template <std::size_t n>
struct Name {
  char text[n]{};
  consteval Name(const char (&from)[n]) {
    for (std::size_t i = 0; i < n; ++i) text[i] = from[i];
  }
};

// A member that is a scalar or a matrix.
template <Name name, auto member>
struct Field {};
// An integer from `low` to `high`.
template <Name name, auto member, std::int32_t low, std::int32_t high>
struct Bounded {};
// A list; `length` is a number or a function of the arguments read before it.
template <Name name, auto member, auto length>
struct List {};

// A list of members. A nested list is replaced by its members.
template <class... Members>
struct FieldList {};

template <class In, class Args, Name name, auto member>
void read(In& in, Args& args, Field<name, member>) {
  in.read(args, member);
}
template <class In, class Args, Name name, auto member, std::int32_t low, std::int32_t high>
void read(In& in, Args& args, Bounded<name, member, low, high>) {
  in.read(args, member);
  const bool holds = args.*member >= low && args.*member <= high;
  char expected[48];
  std::snprintf(expected, sizeof expected, "an integer from %d to %d", static_cast<int>(low),
                static_cast<int>(high));
  in.require(holds, expected);
  if (!holds) args.*member = low;
}
template <class In, class Args, Name name, auto member, auto length>
void read(In& in, Args& args, List<name, member, length>) {
  if constexpr (requires { length(args); }) {
    in.list(args.*member, length(args));
  } else {
    in.list(args.*member, length);
  }
}

template <class Member>
struct MemberType;
template <class Args, class Value>
struct MemberType<Value Args::*> {
  using Type = Value;
};
template <auto member>
using TypeOf = typename MemberType<decltype(member)>::Type;

// Returns the TypeScript type of a member.
template <class Value>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<Value, Matrix> || std::is_same_v<Value, ConstMatrix>) {
    return "matrix";
  } else if constexpr (std::is_same_v<Value, bool>) {
    return "boolean";
  } else if constexpr (std::is_pointer_v<Value>) {
    using Item = std::remove_cv_t<std::remove_pointer_t<Value>>;
    if constexpr (std::is_same_v<Item, std::int32_t>) return "Int32Array";
    if constexpr (std::is_same_v<Item, std::uint8_t>) return "Uint8Array";
    if constexpr (std::is_same_v<Item, float>) return "Float32Array";
    return "Float64Array";  // also for a struct of doubles
  } else {
    return "number";
  }
}

inline std::string described(const char* name, const char* type) {
  return "[\"" + std::string(name) + "\",\"" + type + "\"]";
}
template <Name name, auto member>
std::string describe(Field<name, member>) {
  return described(name.text, type_name<TypeOf<member>>());
}
template <Name name, auto member, std::int32_t low, std::int32_t high>
std::string describe(Bounded<name, member, low, high>) {
  return described(name.text, type_name<TypeOf<member>>());
}
template <Name name, auto member, auto length>
std::string describe(List<name, member, length>) {
  return described(name.text, type_name<TypeOf<member>>());
}

}  // namespace horoball::bind
