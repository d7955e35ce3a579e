// The addon's exports, one row each: a name, the operation named in errors (of queued calls), a callable whose parameters
// declare the JavaScript arguments, and the names of these parameters. Arguments are read immediately, on the JavaScript
// thread; the callable runs on the lane (the libtorch thread, lane.h), unless `calls` exports it. lib/train/lane/addon.ts
// is generated from the same rows.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "environment.h"
#include "tensor.h"
#include "typescript.h"

namespace horoball::train {

// ---- How a parameter is read and passed ----

template <class P>
struct Parameter {
  using Held = std::decay_t<P>;
  static std::string type() { return typescript<P>(); }
  static Held take(Arguments& in) { return in.take<Held>(); }
  static Held& pass(Held& held, const Flag*) { return held; }
};

template <class P>
inline constexpr bool kIsResource = std::derived_from<std::decay_t<P>, Resource>;

// JavaScript passes a handle for a reference to a resource, and a handle or null for a pointer.
template <class P>
  requires kIsResource<P>
struct Parameter<P> {
  using Held = std::shared_ptr<std::decay_t<P>>;
  static std::string type() { return typescript<P>(); }
  static Held take(Arguments& in) { return in.take<Held>(); }
  static std::decay_t<P>& pass(Held& held, const Flag*) { return *held; }
};
template <class Kind>
  requires kIsResource<Kind>
struct Parameter<Kind*> {
  using Held = std::optional<std::shared_ptr<std::remove_const_t<Kind>>>;
  static std::string type() { return typescript<Kind>() + " | null"; }
  static Held take(Arguments& in) { return in.take<Held>(); }
  static Kind* pass(Held& held, const Flag*) { return held ? held->get() : nullptr; }
};

// A tensor. It is read from its handle when the callable runs, because earlier calls may still have to compute it.
template <>
struct Parameter<const at::Tensor&> {
  using Held = std::shared_ptr<TensorResource>;
  static std::string type() { return typescript<TensorResource>(); }
  static Held take(Arguments& in) { return in.take<Held>(); }
  static const at::Tensor& pass(Held& held, const Flag*) { return held->get(); }
};
template <>
struct Parameter<const std::vector<at::Tensor>&> {
  using Held = std::vector<std::shared_ptr<TensorResource>>;
  static std::string type() { return "readonly " + typescript<TensorResource>() + "[]"; }
  static Held take(Arguments& in) { return in.take<Held>(); }
  static std::vector<at::Tensor> pass(Held& held, const Flag*) {
    std::vector<at::Tensor> tensors;
    for (const auto& each : held) tensors.push_back(each->get());
    return tensors;
  }
};

// Parameters that are not JavaScript arguments: the call's cancel flag, and objects of the environment.
template <>
struct Parameter<const Flag*> {
  struct Held {};
  static Held take(Arguments&) { return {}; }
  static const Flag* pass(Held&, const Flag* cancel) { return cancel; }
};
template <>
struct Parameter<Environment&> {
  using Held = Environment*;
  static Held take(Arguments& in) { return &environment(in.env()); }
  static Environment& pass(Held& held, const Flag*) { return *held; }
};

// ---- Results ----

inline Napi::Value to_js(Napi::Env env, const std::vector<std::uint8_t>& bytes) {
  auto out = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.Data());
  return out;
}
inline Napi::Value to_js(Napi::Env env, double value) { return Napi::Number::New(env, value); }
inline Napi::Value to_js(Napi::Env env, const std::string& value) { return Napi::String::New(env, value); }

// ---- Turns a callable into a JavaScript function ----

template <class... P>
struct Types {};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
// `Lambda`: the parameters of a lambda. `Member`: those of a member function, after a reference to its object.
template <class F, class R, class... P>
struct Signature<R (F::*)(P...) const> {
  using Result = R;
  using Lambda = Types<P...>;
  using Member = Types<const F&, P...>;
};
template <class F, class R, class... P>
struct Signature<R (F::*)(P...)> {
  using Result = R;
  using Member = Types<F&, P...>;
};

template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Result = R;
  using Lambda = Types<P...>;
};

template <class F>
constexpr auto parameters() {
  if constexpr (std::is_member_function_pointer_v<F>) {
    return typename Signature<F>::Member{};
  } else {
    return typename Signature<F>::Lambda{};
  }
}

// Binds the arguments of one call to the callable. The result can be called once; the arguments are destroyed
// with it.
template <class F, class... P>
auto with_arguments(Arguments& in, F work, Types<P...>) {
  // Braces guarantee evaluation from left to right.
  std::tuple<typename Parameter<P>::Held...> held{Parameter<P>::take(in)...};
  return [work, held = std::move(held)](const Flag* cancel) mutable -> decltype(auto) {
    return std::apply(
        [&](auto&... each) -> decltype(auto) {
          return std::invoke(work, Parameter<P>::pass(each, cancel)...);
        },
        held);
  };
}

// Reads the optional cancel flag at the end of a queued call, and collects the arrays to keep alive.
inline Call queued(Arguments& in, const char* operation) {
  Call call{operation, in.take<Cancel>()};
  call.arrays = in.keep_arrays();
  return call;
}

// Whether a parameter is a JavaScript argument.
template <class P>
constexpr bool kGiven = !std::is_same_v<P, const Flag*> && !std::is_same_v<P, Environment&>;
template <class... Names, class... P>
constexpr bool one_name_per_argument(Types<P...>) {
  return (std::size_t{kGiven<P>} + ... + 0) == sizeof...(Names);
}

class Exports {
 public:
  Exports(Napi::Env env, Napi::Object to) : env_(env), to_(to) {}
  // Exports nothing. Appends the TypeScript signatures of the rows to `to` instead, one per line.
  explicit Exports(std::string* to) : description_(to) {}

  // In all functions below, `names` are the names of the callable's parameters, without a cancel flag and the environment.

  // Runs immediately, on the JavaScript thread.
  template <class F, class... Names>
  void calls(const char* name, F function, Names... names) {
    static_assert(one_name_per_argument<Names...>(parameters<F>()));
    using Result = typename Signature<F>::Result;
    if (describes(name, parameters<F>(), {names...}, "", typescript<Result>())) return;
    add(name, [function](Arguments& in) -> Napi::Value {
      auto bound = with_arguments(in, function, parameters<F>());
      if constexpr (std::is_void_v<Result>) {
        bound(nullptr);
        return in.env().Undefined();
      } else {
        return to_js(in.env(), bound(nullptr));
      }
    });
  }

  // Queues the call and returns nothing; an error rejects the lane's next promise.
  template <class F, class... Names>
  void posts(const char* name, const char* operation, F work, Names... names) {
    static_assert(one_name_per_argument<Names...>(parameters<F>()));
    if (describes(name, parameters<F>(), {names...}, kCancel, "void")) return;
    add(name, [operation, work](Arguments& in) -> Napi::Value {
      auto bound = with_arguments(in, work, parameters<F>());
      environment(in.env()).lane.post(queued(in, operation), std::move(bound));
      return in.env().Undefined();
    });
  }

  // Queues the call and immediately returns handles to new resources: one handle, or an object of several. The
  // callable receives the resources as its first parameters and fills them; their names also come first, and are the
  // properties of the object.
  template <class... Made, class F, class... Names>
  void makes(const char* name, const char* operation, F work, Names... names) {
    static_assert(one_name_per_argument<Names...>(parameters<F>()));
    constexpr std::size_t made_count = sizeof...(Made);
    const std::array<const char*, sizeof...(Names)> all{names...};
    const std::vector<const char*> rest_of_names(all.begin() + made_count, all.end());
    if (describes(name, rest<made_count>(parameters<F>()), rest_of_names, kCancel,
                  handle_types<Made...>(all.data())))
      return;
    std::array<const char*, made_count> made_names;
    std::copy_n(all.begin(), made_count, made_names.begin());
    add(name, [operation, work, made_names](Arguments& in) -> Napi::Value {
      const std::tuple<std::shared_ptr<Made>...> made{make<Made>(in.env())...};
      auto bound = with_arguments(in, work, rest<made_count>(parameters<F>()), made);
      environment(in.env()).lane.post(queued(in, operation), std::move(bound));
      return std::apply([&](const auto&... each) { return handles(in.env(), made_names, each...); }, made);
    });
  }

  // Queues the call and returns a promise of the callable's result.
  template <class F, class... Names>
  void answers(const char* name, const char* operation, F work, Names... names) {
    static_assert(one_name_per_argument<Names...>(parameters<F>()));
    using Result = typename Signature<F>::Result;
    if (describes(name, parameters<F>(), {names...}, kCancel, "Promise<" + typescript<Result>() + ">"))
      return;
    add(name, [operation, work](Arguments& in) -> Napi::Value {
      auto bound = with_arguments(in, work, parameters<F>());
      auto& lane = environment(in.env()).lane;
      if constexpr (std::is_void_v<Result>) {
        return lane.run(queued(in, operation), std::move(bound),
                        [](Napi::Env env) { return env.Undefined(); });
      } else {
        const auto out = std::make_shared<std::optional<std::decay_t<Result>>>();
        const auto fill = [out, bound = std::move(bound)](const Flag* cancel) mutable {
          *out = bound(cancel);
        };
        return lane.run(queued(in, operation), fill, [out](Napi::Env env) { return to_js(env, **out); });
      }
    });
  }

 private:
  // Drops the parameters that are new resources.
  template <std::size_t n, class P, class... More>
  static constexpr auto rest(Types<P, More...> all) {
    if constexpr (n == 0) {
      return all;
    } else {
      return rest<n - 1>(Types<More...>{});
    }
  }
  template <std::size_t n>
  static constexpr Types<> rest(Types<>) {
    return {};
  }

  // Binds the arguments as train::with_arguments does, with the new resources before them.
  template <class F, class... P, class... Made>
  static auto with_arguments(Arguments& in, F work, Types<P...> types,
                             const std::tuple<std::shared_ptr<Made>...>& made) {
    const auto filled = [work, made](auto&&... arguments) {
      std::apply([&](const auto&... each) { std::invoke(work, *each..., arguments...); }, made);
    };
    return train::with_arguments(in, filled, types);
  }
  template <class F, class... P>
  static auto with_arguments(Arguments& in, F work, Types<P...> types) {
    return train::with_arguments(in, work, types);
  }

  template <class Made>
  static Napi::Value handles(Napi::Env env, const std::array<const char*, 1>&,
                             const std::shared_ptr<Made>& made) {
    return wrap_resource(env, made);
  }
  template <std::size_t n, class... Made>
  static Napi::Value handles(Napi::Env env, const std::array<const char*, n>& names,
                             const std::shared_ptr<Made>&... made) {
    auto object = Napi::Object::New(env);
    auto name = names.begin();
    (object.Set(*name++, wrap_resource(env, made)), ...);
    return object;
  }
  template <class... Made>
  static std::string handle_types(const char* const* names) {
    if constexpr (sizeof...(Made) == 1) return (typescript<Made>() + ...);
    std::string properties;
    ((properties += std::string(" ") + *names++ + ": " + typescript<Made>() + ";"), ...);
    return "{" + properties + " }";
  }

  // The optional last parameter of every queued call.
  static constexpr const char* kCancel = "cancel?: Cancel | null";

  // If the rows are described instead of exported, appends the signature of this row and returns true.
  template <class... P>
  bool describes(const char* name, Types<P...>, const std::vector<const char*>& names, const char* last,
                 const std::string& result) {
    if (description_ == nullptr) return false;
    std::string list;
    const auto add_argument = [&](const std::string& argument) {
      list += (list.empty() ? "" : ", ") + argument;
    };
    auto next = names.begin();
    const auto describe_one = [&]<class Each>(std::type_identity<Each>) {
      if constexpr (kGiven<Each>) add_argument(std::string(*next++) + ": " + Parameter<Each>::type());
    };
    (describe_one(std::type_identity<P>{}), ...);
    if (*last != '\0') add_argument(last);
    *description_ += std::string(name) + "(" + list + "): " + result + ";\n";
    return true;
  }

  template <class F>
  void add(const char* name, F call) {
    const auto function = [call](const Napi::CallbackInfo& info) -> Napi::Value {
      Arguments in(info);
      return node::guarded(info.Env(), [&] {
        try {
          return call(in);
        } catch (const CodedError& error) {
          throw node::coded(Napi::Error::New(info.Env(), error.what()), error.code());
        }
      });
    };
    to_.Set(name, Napi::Function::New(env_, function, name));
  }

  Napi::Env env_ = nullptr;
  Napi::Object to_;
  std::string* description_ = nullptr;
};

}  // namespace horoball::train
