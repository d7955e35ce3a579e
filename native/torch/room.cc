#include "room.h"

namespace horoball::train {
namespace {

constexpr napi_type_tag kHandleTag = {0x5c1d0e9b7a2f4d83, 0x8e4a61f7c3b2905d};
constexpr napi_type_tag kCancelTag = {0x21f7b8e04c9a4e6f, 0x9d3b57a1e8c60f42};

// What an External points to. The resource leaves when the handle is disposed of; the room stays, because an
// environment that ends may finalise its Externals after its instance data.
struct Handle {
  std::shared_ptr<Resource> resource;
  std::shared_ptr<Room> room;
};

void let_go(Handle& handle) {
  if (handle.resource == nullptr) return;
  --handle.room->ledger->handles;
  handle.room->lane.release([resource = std::move(handle.resource)]() mutable { resource.reset(); });
}

template <class Kind>
Kind* tagged(const Napi::Value& value, const napi_type_tag& tag, const char* expected) {
  bool same = false;
  if (value.IsExternal() && napi_check_object_type_tag(value.Env(), value, &tag, &same) == napi_ok && same) {
    return value.As<Napi::External<Kind>>().Data();
  }
  throw node::coded(Napi::TypeError::New(value.Env(), std::string("expected ") + expected),
                    "ERR_HOROBALL_TYPE");
}

template <class Status>
void require(const Napi::Value& value, Status status, const char* expected) {
  if (status == napi_ok) return;
  throw node::coded(Napi::TypeError::New(value.Env(), std::string("expected ") + expected),
                    "ERR_HOROBALL_TYPE");
}

}  // namespace

Napi::Value wrap_resource(Napi::Env env, std::shared_ptr<Resource> resource) {
  auto* handle = new Handle{std::move(resource), shared_room(env)};
  const auto finalize = [](Napi::Env, Handle* dead) {
    let_go(*dead);
    delete dead;
  };
  auto external = Napi::External<Handle>::New(env, handle, finalize);
  napi_type_tag_object(env, external, &kHandleTag);
  ++room(env).ledger->handles;
  return external;
}

std::shared_ptr<Resource> resource_from(const Napi::Value& value) {
  auto resource = tagged<Handle>(value, kHandleTag, "a handle")->resource;
  if (resource != nullptr) return resource;
  throw node::coded(Napi::Error::New(value.Env(), "the handle was disposed of"), "ERR_HOROBALL_DISPOSED");
}

void dispose(const Napi::CallbackInfo& info) { let_go(*tagged<Handle>(info[0], kHandleTag, "a handle")); }

Napi::Value cancel_flag(const Napi::CallbackInfo& info) {
  auto* flag = new Cancel(std::make_shared<Flag>(false));
  auto external = Napi::External<Cancel>::New(info.Env(), flag, [](Napi::Env, Cancel* dead) { delete dead; });
  napi_type_tag_object(info.Env(), external, &kCancelTag);
  return external;
}

void cancel(const Napi::CallbackInfo& info) {
  (*tagged<Cancel>(info[0], kCancelTag, "a cancel flag"))->store(true, std::memory_order_relaxed);
}

Cancel cancel_from(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  return *tagged<Cancel>(value, kCancelTag, "a cancel flag");
}

double number(const Napi::Value& value) {
  double to = 0;
  require(value, napi_get_value_double(value.Env(), value, &to), "a number");
  return to;
}

bool flag(const Napi::Value& value) {
  bool to = false;
  require(value, napi_get_value_bool(value.Env(), value, &to), "a boolean");
  return to;
}

std::string text(const Napi::Value& value) {
  require(value, value.IsString() ? napi_ok : napi_string_expected, "a string");
  return value.As<Napi::String>().Utf8Value();
}

namespace {
template <class Item, class Convert>
std::vector<Item> each(const Napi::Value& list, Convert convert) {
  require(list, list.IsArray() ? napi_ok : napi_array_expected, "a list");
  const auto values = list.As<Napi::Array>();
  std::vector<Item> to;
  to.reserve(values.Length());
  for (std::uint32_t i = 0; i < values.Length(); ++i) to.push_back(convert(values.Get(i)));
  return to;
}
}  // namespace

std::vector<double> numbers(const Napi::Value& list) { return each<double>(list, number); }

std::vector<std::string> texts(const Napi::Value& list) { return each<std::string>(list, text); }

std::vector<Span<float>> float_arrays(const Napi::Value& list, std::vector<Napi::ObjectReference>& held) {
  return each<Span<float>>(list, [&](const Napi::Value& value) { return array<float>(value, held); });
}

}  // namespace horoball::train
