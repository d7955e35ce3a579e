// Calls from libtorch into the core: which of the core's tables runs a call, and tensors as its arguments.
#pragma once

#include <torch/torch.h>

#include "environment.h"

namespace horoball::train {

// Where a call runs: a table of the core, and the device from which it reads tensors.
struct Target {
  const Backend* backend;
  at::Device device;

  bool on_device() const { return device.is_cuda(); }
  // Uses libtorch's thread count, and its current stream on the device.
  Run run() const;
};

// The host, whatever the device of the tensors.
Target host_target(const Tables& tables);
// The device of the tensors if the core has kernels for it, otherwise the host.
Target target_of(const Tables& tables, const at::Device& device);

Matrix matrix_of(const at::Tensor& x);
ConstMatrix const_matrix_of(const at::Tensor& x);
Type element_type(const at::Tensor& x);

// The rows as a contiguous tensor in float32 or float64 for the core, whatever the precision of the model.
at::Tensor rows_for_core(const at::Tensor& x, const at::Device& device);

// Throws the error that a call reported, if any.
void require_ok(const Status& status);

}  // namespace horoball::train
