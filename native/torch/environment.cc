#include "environment.h"

namespace horoball::train {
namespace {

constexpr napi_type_tag kHandleTag = {0x5c1d0e9b7a2f4d83, 0x8e4a61f7c3b2905d};
constexpr napi_type_tag kCancelTag = {0x21f7b8e04c9a4e6f, 0x9d3b57a1e8c60f42};

template <class Kind>
Kind* tagged(Arguments& in, const Napi::Value& value, const napi_type_tag& tag, const char* expected) {
  bool same = false;
  const bool checked =
      value.IsExternal() && napi_check_object_type_tag(in.env(), value, &tag, &same) == napi_ok;
  in.require(checked && same, expected);
  return value.As<Napi::External<Kind>>().Data();
}

}  // namespace

void Handle::release() {
  if (resource == nullptr) return;
  --environment->ledger->handles;
  environment->lane.release([dead = std::move(resource)]() mutable { dead.reset(); });
}

Napi::Value wrap_resource(Napi::Env env, std::shared_ptr<Resource> resource) {
  auto* handle = new Handle{std::move(resource), shared_environment(env)};
  const auto finalize = [](Napi::Env, Handle* dead) {
    dead->release();
    delete dead;
  };
  auto external = Napi::External<Handle>::New(env, handle, finalize);
  napi_type_tag_object(env, external, &kHandleTag);
  ++environment(env).ledger->handles;
  return external;
}

Napi::Value to_js(Napi::Env env, const Cancel& cancel) {
  auto* flag = new Cancel(cancel);
  auto external = Napi::External<Cancel>::New(env, flag, [](Napi::Env, Cancel* dead) { delete dead; });
  napi_type_tag_object(env, external, &kCancelTag);
  return external;
}

}  // namespace horoball::train

namespace horoball::node {

train::Handle* Converter<train::Handle*>::from(Arguments& in, const Napi::Value& value) {
  return train::tagged<train::Handle>(in, value, train::kHandleTag, "a handle");
}

train::Cancel Converter<train::Cancel>::from(Arguments& in, const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  return *train::tagged<train::Cancel>(in, value, train::kCancelTag, "a cancel flag");
}

std::shared_ptr<train::Resource> Converter<std::shared_ptr<train::Resource>>::from(Arguments& in,
                                                                                   const Napi::Value& value) {
  auto resource = in.convert<train::Handle*>(value)->resource;
  if (resource != nullptr) return resource;
  throw coded(Napi::Error::New(in.env(), "the handle has been disposed of"), "ERR_HOROBALL_DISPOSED");
}

}  // namespace horoball::node
