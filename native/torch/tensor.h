// Handles to tensors that the lane computes, and to batches of images.
#pragma once

#include <torch/torch.h>

#include "environment.h"

namespace horoball::train {

// Empty until the lane has filled it, and forever if that work failed.
class TensorResource : public Resource {
 public:
  static constexpr const char* kKind = "Tensor";
  using Resource::Resource;

  void set(at::Tensor value) {
    value_ = std::move(value);
    holds(static_cast<std::int64_t>(value_.nbytes()));
  }
  const at::Tensor& get() const {
    if (value_.defined()) return value_;
    throw CodedError("ERR_HOROBALL_EMPTY",
                     "the tensor was not computed, because an earlier operation failed");
  }

 private:
  at::Tensor value_;
};

// Copies to float32 memory on the host, checking the length.
void copy_out(const at::Tensor& from, Span<float> to);
// Copies from float32 memory on the host into a tensor of as many elements.
void copy_in(Span<float> from, at::Tensor to);

// Copies from the host to a device. For a GPU the memory is pinned, so that the copy is queued and the host
// continues.
at::Tensor sent(const at::Tensor& values, const at::Device& device);

void bind_tensors(Exports& exports);

}  // namespace horoball::train
