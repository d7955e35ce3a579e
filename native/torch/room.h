// What an environment (the main thread or a worker) owns, and the handles that JavaScript holds into it.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "../node/bind.h"
#include "lane.h"

namespace horoball::train {

// What live handles hold; outlives the room while handles do.
struct Ledger {
  std::atomic<std::int64_t> handles = 0;
  std::atomic<std::int64_t> bytes = 0;
};

// Something that a handle stands for. It is made at once on the JavaScript thread, but filled, used and
// destroyed on the lane only.
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

struct Room {
  explicit Room(Napi::Env env) : lane(env) {}
  std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>();
  const Backend* backend = nullptr;
  std::vector<const Backend*> cuda;  // by device
  Lane lane;
};

inline const std::shared_ptr<Room>& shared_room(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Room>>();
}
inline Room& room(Napi::Env env) { return *shared_room(env); }

// ---- Handles
// -----------------------------------------------------------------------------------------------

Napi::Value wrap_resource(Napi::Env env, std::shared_ptr<Resource> resource);
std::shared_ptr<Resource> resource_from(const Napi::Value& handle);
void dispose(const Napi::CallbackInfo& info);

template <class Kind, class... Args>
std::shared_ptr<Kind> make(Napi::Env env, Args&&... args) {
  return std::make_shared<Kind>(room(env).ledger, std::forward<Args>(args)...);
}

template <class Kind>
std::shared_ptr<Kind> from(const Napi::Value& handle) {
  auto resource = std::dynamic_pointer_cast<Kind>(resource_from(handle));
  if (resource != nullptr) return resource;
  throw node::coded(Napi::TypeError::New(handle.Env(), "expected another kind of handle"),
                    "ERR_HOROBALL_TYPE");
}

Napi::Value cancel_flag(const Napi::CallbackInfo& info);
void cancel(const Napi::CallbackInfo& info);
Cancel cancel_from(const Napi::Value& value);

// ---- Arguments
// ---------------------------------------------------------------------------------------------- JavaScript
// has checked ranges and shapes; here only what could crash is checked again.

double number(const Napi::Value& value);
bool flag(const Napi::Value& value);
std::string text(const Napi::Value& value);
std::vector<double> numbers(const Napi::Value& list);
std::vector<std::string> texts(const Napi::Value& list);

// A typed array's memory; the reference keeps it alive while the lane uses it.
template <class Item>
struct Span {
  Item* data = nullptr;
  std::size_t length = 0;
};

template <class Item>
Span<Item> array(const Napi::Value& value, std::vector<Napi::ObjectReference>& held) {
  constexpr auto kType = std::is_same_v<Item, float>          ? napi_float32_array
                         : std::is_same_v<Item, std::uint8_t> ? napi_uint8_array
                                                              : napi_int32_array;
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  const auto status = napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != kType) {
    const auto error = Napi::TypeError::New(value.Env(), "expected a typed array of another element type");
    throw node::coded(error, "ERR_HOROBALL_TYPE");
  }
  held.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return {static_cast<Item*>(data), length};
}

std::vector<Span<float>> float_arrays(const Napi::Value& list, std::vector<Napi::ObjectReference>& held);

inline Answer undefined() {
  return [](Napi::Env env) { return env.Undefined(); };
}

}  // namespace horoball::train
