#include "amp.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace horoball::train {
namespace {

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
constexpr bool kHalfOnCpu = true;
void set_autocast(at::DeviceType device, bool on, at::ScalarType type) {
  at::autocast::set_autocast_enabled(device, on);
  if (on) at::autocast::set_autocast_dtype(device, type);
}
#else
constexpr bool kHalfOnCpu = false;
void set_autocast(at::DeviceType device, bool on, at::ScalarType type) {
  const bool cpu = device == at::kCPU;
  cpu ? at::autocast::set_cpu_enabled(on) : at::autocast::set_enabled(on);
  if (!on) return;
  cpu ? at::autocast::set_autocast_cpu_dtype(type) : at::autocast::set_autocast_gpu_dtype(type);
}
#endif

bool cpu_multiplies(Precision precision) {
  if (precision == Precision::float16 && !kHalfOnCpu) return false;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  __builtin_cpu_init();
  return precision == Precision::float16 ? __builtin_cpu_supports("avx512fp16")
                                         : __builtin_cpu_supports("avx512bf16");
#elif defined(__x86_64__) || defined(_M_X64)
  return false;
#else
  return true;
#endif
}

at::ScalarType type_of(Precision precision) {
  return precision == Precision::float16 ? at::kHalf : at::kBFloat16;
}

// The type to which operands are rounded; float32 means that nothing is emulated. Per thread, like libtorch's autocast
// state.
thread_local at::ScalarType emulated_type = at::kFloat;

}  // namespace

Autocast::Autocast(Precision precision, const at::Device& device)
    : on_(precision != Precision::float32),
      emulated_(on_ && device.is_cpu() && !cpu_multiplies(precision)),
      device_(device.type()) {
  if (!on_) return;
  if (emulated_) {
    emulated_type = type_of(precision);
    return;
  }
  at::autocast::increment_nesting();
  set_autocast(device_, true, type_of(precision));
}

// Ends autocast. The outermost instance clears the cache of autocast, whose casts of the weights become invalid when the
// weights change.
Autocast::~Autocast() {
  if (!on_) return;
  if (emulated_) {
    emulated_type = at::kFloat;
    return;
  }
  set_autocast(device_, false, at::kFloat);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

at::Tensor rounded(const at::Tensor& x) {
  return emulated_type == at::kFloat || !x.defined() ? x : x.to(emulated_type).to(at::kFloat);
}

}  // namespace horoball::train
