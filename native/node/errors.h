// Errors with a stable code. The addons create no other errors.
#pragma once

#include <napi.h>

#include <cstddef>
#include <exception>
#include <new>
#include <string>

#include "../bind/code.h"
#include "../core.h"

namespace horoball::node {

inline Napi::Error coded(Napi::Error error, const char* code) {
  error.Set("code", Napi::String::New(error.Env(), code));
  return error;
}

using bind::code_name;

inline Napi::Error error_from(Napi::Env env, const Status& status) {
  return coded(Napi::Error::New(env, status.message), code_name(status.code));
}

inline Napi::Error argument_error(Napi::Env env, const std::string& message) {
  return coded(Napi::TypeError::New(env, message), "ERR_HOROBALL_TYPE");
}

inline Napi::Error memory_error(Napi::Env env, const std::string& what) {
  return coded(Napi::Error::New(env, "could not allocate " + what), code_name(Code::memory));
}

// Returns make(), which allocates about `bytes` bytes. Throws an error with a code if the allocation fails.
template <class Make>
auto allocating(Napi::Env env, std::size_t bytes, Make&& make) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    throw memory_error(env, std::to_string(bytes) + " bytes");
  }
}

// Ensures that no exception leaves the addon as an error without a code.
template <class Call>
auto guarded(Napi::Env env, Call&& call) {
  try {
    return call();
  } catch (const Napi::Error&) {
    throw;  // coded already, or thrown by a getter of the caller
  } catch (const std::bad_alloc&) {
    throw memory_error(env, "the memory that the call needs");
  } catch (const std::exception& error) {
    throw coded(Napi::Error::New(env, error.what()), code_name(Code::internal));
  }
}

}  // namespace horoball::node
