// The exports of horoball.wasm: the functions of native/bind/calls.h behind a plain C interface. No arithmetic here.
#include <cstdlib>
#include <new>

#include "../bind/code.h"
#include "arguments.h"

#define HOROBALL_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace horoball::wasm {
namespace {

using Function = void (*)(Call&);

struct Entry {
  const char* name = nullptr;
  Function function = nullptr;
};

// Collects the functions that bind::add_functions adds.
struct Entries {
  Entry all[20];
  std::size_t count = 0;

  template <Function function>
  void add(const char* name) {
    all[count++] = {name, function};
  }
};

const Entries& entries() {
  static const Entries made = [] {
    Entries to;
    bind::add_functions<Arguments>(to);
    return to;
  }();
  return made;
}

Outcome outcome;

}  // namespace

// Traps, which ends a call in which `new` could not allocate memory. lib/wasm/instance.ts then reads the outcome and
// replaces the instance.
[[noreturn]] void out_of_memory() {
  outcome.code = bind::code_name(Code::memory);
  std::snprintf(outcome.message, sizeof outcome.message,
                "could not allocate the memory that the call needs in addition to its arrays");
  __builtin_trap();
}

std::span<double> call_buffer() {
  alignas(16) static double numbers[kCallBufferLength];
  return numbers;
}

// Allocates memory for the arrays of a call, aligned to a cache line. Returns null if there is not enough.
HOROBALL_EXPORT(allocate) void* allocate(std::size_t bytes) {
  return std::aligned_alloc(64, bytes == 0 ? 64 : (bytes + 63) / 64 * 64);
}
HOROBALL_EXPORT(release) void release(void* memory) { std::free(memory); }

// Returns the name of a function, given its index; null after the last.
HOROBALL_EXPORT(function_name) const char* function_name(std::size_t index) {
  return index < entries().count ? entries().all[index].name : nullptr;
}

// Returns a bit mask of the array arguments that a function writes. The function marks them when it is called without
// arguments.
HOROBALL_EXPORT(function_outputs) double function_outputs(std::size_t index) {
  Outcome ignored;
  Call call{{}, ignored};
  entries().all[index].function(call);
  return static_cast<double>(call.outputs);
}

// Runs a function. Returns false if it failed; `error_code` and `error_message` then have the reason.
HOROBALL_EXPORT(call)
bool call(std::size_t index, const Argument* arguments, std::size_t count, bool cancellable) {
  outcome.code = "";
  Call made{{arguments, count}, outcome, cancellable};
  entries().all[index].function(made);
  return *outcome.code == '\0';
}
HOROBALL_EXPORT(error_code) const char* error_code() { return outcome.code; }
HOROBALL_EXPORT(error_message) const char* error_message() { return outcome.message; }

HOROBALL_EXPORT(call_buffer_data) double* call_buffer_data() { return call_buffer().data(); }
HOROBALL_EXPORT(call_buffer_count) std::size_t call_buffer_count() { return kCallBufferLength; }
HOROBALL_EXPORT(short_data) std::size_t short_data() { return bind::kShortData; }
HOROBALL_EXPORT(row_call_name) const char* row_call_name(std::size_t index) {
  return index < bind::row_call::kCount ? bind::row_call::kNames[index] : nullptr;
}

HOROBALL_EXPORT(calls) const char* all_calls() {
  static const std::string json = bind::Described::describe();
  return json.c_str();
}
HOROBALL_EXPORT(row_cards) const char* all_row_cards() { return row_cards(); }
HOROBALL_EXPORT(head_cards) const char* all_head_cards() { return head_cards(); }
HOROBALL_EXPORT(metric_cards) const char* all_metric_cards() { return metric_cards(); }
HOROBALL_EXPORT(geometry_cards) const char* all_geometry_cards() { return geometry_cards(); }
HOROBALL_EXPORT(loss_cards) const char* all_loss_cards() { return loss_cards(); }
HOROBALL_EXPORT(logit_parameters) const char* all_logit_parameters() { return logit_parameters(); }
HOROBALL_EXPORT(level) const char* level() { return cpu()->name; }

}  // namespace horoball::wasm

void* operator new(std::size_t bytes) {
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) horoball::wasm::out_of_memory();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
