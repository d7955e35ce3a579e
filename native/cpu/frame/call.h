// Shared by the calls of all families: scratch memory, dispatch over element types and metric cards, cancellation, and
// the returned status.
#pragma once

#include <cstdio>

#include "core.h"
#include "cpu/frame/memory.h"
#include "ops/metrics.h"

namespace horoball {

#if defined(__wasm__)
// WebAssembly instances share no memory, so cancellation is polled through an import.
extern "C" __attribute__((import_module("horoball"), import_name("cancelled"))) int horoball_cancelled();
#endif

namespace {

inline bool is_cancelled(const Run& run) {
#if defined(__wasm__)
  if (run.cancelled != nullptr && horoball_cancelled() != 0) return true;
#endif
  return run.cancelled != nullptr && run.cancelled->load(std::memory_order_relaxed);
}

inline Status finished(const Run& run) {
  Status status;
  if (is_cancelled(run)) status.code = Code::cancelled;
  return status;
}

inline Status no_memory(std::uint64_t bytes) {
  Status status;
  status.code = Code::memory;
  std::snprintf(status.message, sizeof status.message, "could not allocate %llu bytes of scratch memory",
                static_cast<unsigned long long>(bytes));
  return status;
}

// Allocates the arrays that `layout(arena)` requests, then calls `body()`.
template <class Layout, class Body>
inline Status with_scratch(const Run& run, Layout layout, Body body) {
  Arena measured(nullptr);
  layout(measured);
  const Scratch scratch(measured.used());
  if (scratch.data == nullptr) return no_memory(scratch.bytes);
  Arena arena(scratch.data);
  layout(arena);
  body();
  return finished(run);
}

// Calls prefer_huge_pages() (memory.h) for a result that a call is about to fill.
inline void huge_pages_for(Matrix result, Type type) {
  if (result.data == nullptr) return;
  const std::uint64_t size = type == Type::f32 ? sizeof(float) : sizeof(double);
  prefer_huge_pages(result.data, size * static_cast<std::uint64_t>(result.rows * result.cols));
}

// Calls body with the element type as its type argument.
template <class Body>
inline auto with_type(Type type, Body body) {
  return type == Type::f32 ? body.template operator()<float>() : body.template operator()<double>();
}

// Calls body with the metric card and the element type of a call as its type arguments.
template <class Args, class Body>
inline auto with_card(const Args& args, Body body) {
  return with_metric(static_cast<int>(args.metric), args.guards == Guards::hypmix, [&]<class Card>() {
    return with_type(args.type, [&]<class T>() { return body.template operator()<Card, T>(); });
  });
}

}  // namespace
}  // namespace horoball
