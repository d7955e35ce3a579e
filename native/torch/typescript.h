// The TypeScript types of the addon's arguments and results. The class Exports (exports.h) writes them into signatures,
// from which lib/train/lane/addon.ts is generated.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "environment.h"

namespace horoball::train {

template <class T>
struct TypeScript;

template <class T>
std::string typescript() {
  return TypeScript<std::decay_t<T>>::name();
}

template <class T>
  requires std::is_arithmetic_v<T>
struct TypeScript<T> {
  static std::string name() { return std::is_same_v<T, bool> ? "boolean" : "number"; }
};

template <>
struct TypeScript<std::string> {
  static std::string name() { return "string"; }
};

template <>
struct TypeScript<void> {
  static std::string name() { return "void"; }
};

template <class T>
struct TypeScript<std::optional<T>> {
  static std::string name() { return typescript<T>() + " | null"; }
};

template <class T>
struct TypeScript<std::vector<T>> {
  static std::string name() { return "readonly " + typescript<T>() + "[]"; }
};

template <>
struct TypeScript<std::vector<std::uint8_t>> {
  static std::string name() { return "Uint8Array"; }
};

template <class Item>
struct TypeScript<Span<Item>> {
  static std::string name() {
    if constexpr (std::is_same_v<Item, float>) return "Float32Array";
    if constexpr (std::is_same_v<Item, double>) return "Float64Array";
    if constexpr (std::is_same_v<Item, std::int32_t>) return "Int32Array";
    if constexpr (std::is_same_v<Item, std::uint8_t>) return "Uint8Array";
  }
};

// A struct whose properties are read or written by name. Its type is in lib/train/lane/addon-types.ts or types.ts.
template <class T>
  requires requires { T::kTypeScript; }
struct TypeScript<T> {
  static std::string name() { return T::kTypeScript; }
};

template <>
struct TypeScript<Cancel> {
  static std::string name() { return "Cancel"; }
};

// A handle to any resource.
template <>
struct TypeScript<Handle*> {
  static std::string name() { return "Handle"; }
};

template <class Kind>
  requires std::derived_from<Kind, Resource>
struct TypeScript<Kind> {
  static std::string name() { return std::string("Handle<'") + Kind::kKind + "'>"; }
};

// A function table of the core, which the core's addon returns from `backend`.
template <>
struct TypeScript<const Backend*> {
  static std::string name() { return "object"; }
};

}  // namespace horoball::train
