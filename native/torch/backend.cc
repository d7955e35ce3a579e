#include "backend.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace horoball::train {
namespace {

// Returns the cudaStream_t of a stream: null for the default stream, otherwise the native handle, which only newer versions
// of libtorch expose.
template <class Stream>
void* stream_handle(const Stream& stream) {
  if (stream.id() == 0) return nullptr;
  if constexpr (requires { stream.native_handle(); }) {
    return stream.native_handle();
  } else {
    throw CodedError("ERR_HOROBALL_UNSUPPORTED",
                     "this libtorch does not expose its CUDA stream. Use an official torch build with CUDA");
  }
}

}  // namespace

Run Target::run() const {
  Run run;
  run.threads = at::get_num_threads();
  if (on_device()) {
    run.stream = stream_handle(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  }
  return run;
}

Target host_target(const Tables& tables) { return {tables.cpu, at::Device(at::kCPU)}; }

Target target_of(const Tables& tables, const at::Device& device) {
  const auto index = static_cast<std::size_t>(device.has_index() ? device.index() : 0);
  const bool there = device.is_cuda() && index < tables.cuda.size() && tables.cuda[index] != nullptr;
  return there ? Target{tables.cuda[index], device} : host_target(tables);
}

Matrix matrix_of(const at::Tensor& x) { return {x.data_ptr(), x.size(0), x.size(1)}; }
ConstMatrix const_matrix_of(const at::Tensor& x) { return {x.data_ptr(), x.size(0), x.size(1)}; }
Type element_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? Type::f64 : Type::f32; }

at::Tensor rows_for_core(const at::Tensor& x, const at::Device& device) {
  const auto type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return x.detach().to(device, type).contiguous();
}

void require_ok(const Status& status) {
  if (status.code == Code::ok) return;
  if (status.code == Code::cancelled) throw Cancelled();
  throw CodedError(node::code_name(status.code), status.message);
}

}  // namespace horoball::train
