// Handles to tensors that the lane computes, and to batches of pictures.
#pragma once

#include <torch/torch.h>

#include "room.h"

namespace horoball::train {

// Empty until the lane has filled it, and for good when the work that should have failed.
class TensorResource : public Resource {
 public:
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

// From the host to a device. Pinned on the way to a GPU: the copy waits its turn there, and the host goes on.
at::Tensor sent(const at::Tensor& values, const at::Device& device);

void bind_tensors(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
