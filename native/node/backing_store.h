// Keeps the memory of an ArrayBuffer alive while native code uses it. Node-API can reference the ArrayBuffer
// object but not its memory: `structuredClone`, `postMessage` and `transfer()` move the memory to another
// object, and the garbage collector may free it while a job still reads it.
//
// V8's own `ArrayBuffer::GetBackingStore` returns a shared pointer to that memory. It is not part of
// Node-API, so it is looked up at run time and first tried on a test buffer. If it is missing or does
// not behave as expected (Windows, Bun, a Node built with another C++ library), a job uses copies of its arrays, and
// its results are copied back when it ends (Arguments::before_job). The lane of the training addon does not support
// copies, so it runs such a call synchronously. HOROBALL_COPY_ARRAYS=1 simulates a missing function for tests.
//
// A resizable buffer releases pages when it shrinks, even while it is kept alive, so no job accepts one.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace horoball::node {

using BackingStore = std::shared_ptr<void>;

#if defined(_WIN32)

inline BackingStore backing_store_of(Napi::Env, napi_value) { return nullptr; }
inline bool keeps_memory(Napi::Env) { return false; }

#else

class BackingStores {
 public:
  // Looks up V8's functions at the first call. `store_` is null if they cannot be trusted.
  static const BackingStores& get(Napi::Env env) {
    static const BackingStores found(env);
    return found;
  }

  bool trusted() const { return store_ != nullptr; }

  // Returns a shared pointer that keeps the buffer's memory alive, or null if V8's functions cannot be trusted. A
  // napi_value is a V8 handle, so it can be passed as the `this` pointer of an ArrayBuffer.
  BackingStore of(napi_value buffer) const { return store_ == nullptr ? nullptr : store_(buffer); }

  bool is_resizable(const BackingStore& store) const {
    return store != nullptr && resizable_ != nullptr && resizable_(store.get());
  }

 private:
  using Store = BackingStore (*)(const void* buffer);
  using Data = void* (*)(const void* store);
  using Resizable = bool (*)(const void* store);

  explicit BackingStores(Napi::Env env) {
    store_ = find<Store>("_ZN2v811ArrayBuffer15GetBackingStoreEv");
    const auto data = find<Data>("_ZNK2v812BackingStore4DataEv");
    resizable_ = find<Resizable>("_ZNK2v812BackingStore27IsResizableByUserJavaScriptEv");
    const bool copies = std::getenv("HOROBALL_COPY_ARRAYS") != nullptr;
    if (copies || store_ == nullptr || data == nullptr || !same_library() || !works(env, data))
      store_ = nullptr;
  }

  template <class Function>
  static Function find(const char* symbol) {
    return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, symbol));
  }

  // Whether V8's shared_ptr has the same layout as ours, because one is passed across this boundary. The mangled name of a
  // V8 function that takes a shared_ptr reveals the C++ library that V8 was built with.
  static bool same_library() {
#if defined(_LIBCPP_VERSION)
    constexpr auto kNew = "_ZN2v811ArrayBuffer3NewEPNS_7IsolateENSt3__110shared_ptrINS_12BackingStoreEEE";
#else
    constexpr auto kNew = "_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE";
#endif
    return dlsym(RTLD_DEFAULT, kNew) != nullptr;
  }

  bool works(Napi::Env env, Data data) const {
    const Napi::HandleScope scope(env);
    auto buffer = Napi::ArrayBuffer::New(env, 64);
    const BackingStore store = store_(buffer);
    return store != nullptr && data(store.get()) == buffer.Data() && store.use_count() > 1;
  }

  Store store_ = nullptr;
  Resizable resizable_ = nullptr;
};

// Whether the memory of every array can be kept alive.
inline bool keeps_memory(Napi::Env env) { return BackingStores::get(env).trusted(); }

// Returns a shared pointer that keeps the memory of a buffer alive; null if the memory need not be kept (a
// SharedArrayBuffer cannot be transferred) or cannot be kept.
inline BackingStore backing_store_of(Napi::Env env, napi_value buffer) {
  bool transferable = false;
  if (napi_is_arraybuffer(env, buffer, &transferable) != napi_ok || !transferable) return nullptr;
  return BackingStores::get(env).of(buffer);
}

#endif

inline bool is_resizable(Napi::Env env, napi_value buffer, const BackingStore& store) {
#if !defined(_WIN32)
  if (BackingStores::get(env).is_resizable(store)) return true;
#endif
  bool owns_memory = false;
  if (napi_is_arraybuffer(env, buffer, &owns_memory) != napi_ok || !owns_memory) return false;
  const Napi::Value value = Napi::Object(env, buffer).Get("resizable");
  return value.IsBoolean() && value.As<Napi::Boolean>();
}

// The copy that a job uses in place of a typed array. It is copied back if the job writes to it.
struct ArrayCopy {
  std::shared_ptr<std::byte[]> memory;
  std::size_t bytes = 0;
  bool written = false;
};

// Whether the memory of a typed array could be freed while a job uses it.
inline bool can_be_lost(Napi::Env env, napi_value array) {
  napi_value buffer = nullptr;
  bool transferable = false;
  napi_get_typedarray_info(env, array, nullptr, nullptr, nullptr, &buffer, nullptr);
  return napi_is_arraybuffer(env, buffer, &transferable) == napi_ok && transferable && !keeps_memory(env);
}

// A typed array that a job reads or writes. Keeps its memory alive, or the copy that the job uses.
class KeptArray {
 public:
  KeptArray(Napi::Env env, napi_value array, ArrayCopy copy)
      : array_(Napi::Persistent(Napi::Object(env, array))), copy_(std::move(copy)) {
    napi_value buffer = nullptr;
    napi_get_typedarray_info(env, array, nullptr, nullptr, &data_, &buffer, nullptr);
    store_ = backing_store_of(env, buffer);
    resizable_ = is_resizable(env, buffer, store_);
  }

  const void* data() const { return data_; }
  bool resizable() const { return resizable_; }

  // Whether the buffer has been transferred or resized since the arguments were read.
  bool moved() const {
    void* data = nullptr;
    napi_get_typedarray_info(array_.Env(), array_.Value(), nullptr, nullptr, &data, nullptr, nullptr);
    return data != data_;
  }

  // Whether the job uses the array's own memory, and that memory cannot be kept alive. Such a job must end before
  // JavaScript continues.
  bool can_be_lost() const {
    return copy_.memory == nullptr && node::can_be_lost(array_.Env(), array_.Value());
  }

  // Copies the job's results back to the array, whose memory must not have moved.
  void copy_back() const {
    if (copy_.written) std::memcpy(data_, copy_.memory.get(), copy_.bytes);
  }

 private:
  Napi::ObjectReference array_;
  void* data_ = nullptr;
  BackingStore store_;
  ArrayCopy copy_;
  bool resizable_ = false;
};

}  // namespace horoball::node
