#include "amp.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

#include "lane.h"

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

}  // namespace

Precision precision_from(const std::string& name) {
  if (name == "bfloat16") return Precision::bfloat16;
  return name == "float16" ? Precision::float16 : Precision::float32;
}

void check_precision(Precision precision, const at::Device& device) {
  if (kHalfOnCpu || precision != Precision::float16 || !device.is_cpu()) return;
  throw CodedError("ERR_HOROBALL_PRECISION",
                   "float16 on the CPU needs libtorch 2.4 or newer; bfloat16 works with this one");
}

Autocast::Autocast(Precision precision, const at::Device& device)
    : on_(precision != Precision::float32), device_(device.type()) {
  if (!on_) return;
  at::autocast::increment_nesting();
  set_autocast(device_, true, precision == Precision::float16 ? at::kHalf : at::kBFloat16);
}

// The cache holds casts of the weights: of no use once they have moved.
Autocast::~Autocast() {
  if (!on_) return;
  set_autocast(device_, false, at::kFloat);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace horoball::train
