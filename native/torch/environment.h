// The state of a JavaScript environment (the main thread or a worker), and the handles that JavaScript holds
// to its resources.
#pragma once

#include <napi.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <string>
#include <vector>

#include "../node/bind.h"
#include "lane.h"

namespace horoball::train {

using node::Arguments;
using node::Span;

// Counts live handles and the bytes of resources. Resources share ownership of it, so it may outlive the environment.
struct Ledger {
  std::atomic<std::int64_t> handles = 0;
  std::atomic<std::int64_t> bytes = 0;
};

// The object behind a handle. It is created immediately on the JavaScript thread, but filled and used on the lane (the
// libtorch thread of this environment, lane.h), and destroyed there unless the lane has been closed.
class Resource {
 public:
  explicit Resource(std::shared_ptr<Ledger> ledger) : ledger_(std::move(ledger)) {}
  virtual ~Resource() { holds(0); }
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

 protected:
  void holds(std::int64_t bytes) {
    ledger_->bytes += bytes - bytes_;
    bytes_ = bytes;
  }

 private:
  std::shared_ptr<Ledger> ledger_;
  std::int64_t bytes_ = 0;
};

class Exports;

// The core's function tables: one for the CPU, and one per CUDA device.
struct Tables {
  const Backend* cpu = nullptr;
  std::vector<const Backend*> cuda;
};

struct Environment {
  explicit Environment(Napi::Env env) : lane(env) {}
  std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>();
  Tables tables;
  Lane lane;
};

inline const std::shared_ptr<Environment>& shared_environment(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}
inline Environment& environment(Napi::Env env) { return *shared_environment(env); }

// A resource as JavaScript holds it, owned by an Napi::External. It shares ownership of the environment, even after
// release(): at shutdown Node may free the instance data before it finalizes externals.
struct Handle {
  std::shared_ptr<Resource> resource;
  std::shared_ptr<Environment> environment;

  void release();
};

Napi::Value wrap_resource(Napi::Env env, std::shared_ptr<Resource> resource);

template <class Kind>
std::shared_ptr<Kind> make(Napi::Env env) {
  return std::make_shared<Kind>(environment(env).ledger);
}

// Returns a Napi::External that shares ownership of the cancel flag.
Napi::Value to_js(Napi::Env env, const Cancel& cancel);

}  // namespace horoball::train

namespace horoball::node {

template <>
struct Converter<train::Handle*> {
  static train::Handle* from(Arguments& in, const Napi::Value& value);
};

// Null or undefined converts to null: a call that cannot be canceled.
template <>
struct Converter<train::Cancel> {
  static train::Cancel from(Arguments& in, const Napi::Value& value);
};

// The resource of a handle. Throws ERR_HOROBALL_DISPOSED if it was disposed of.
template <>
struct Converter<std::shared_ptr<train::Resource>> {
  static std::shared_ptr<train::Resource> from(Arguments& in, const Napi::Value& value);
};

template <class Kind>
  requires std::derived_from<Kind, train::Resource>
struct Converter<std::shared_ptr<Kind>> {
  static std::shared_ptr<Kind> from(Arguments& in, const Napi::Value& value) {
    auto resource = std::dynamic_pointer_cast<Kind>(in.convert<std::shared_ptr<train::Resource>>(value));
    in.require(resource != nullptr, "a handle of the expected type");
    return resource;
  }
};

}  // namespace horoball::node
