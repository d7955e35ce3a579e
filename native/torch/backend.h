// Calls from the training layer into the core: the function table that runs a call, and tensors as arguments.
#pragma once

#include <torch/torch.h>

#include "environment.h"

namespace horoball::train {

// Where a call runs: a function table of the core, and the device of its tensors.
struct Target {
  const Backend* backend;
  at::Device device;

  bool on_device() const { return device.is_cuda(); }
  // Returns the options of a call: libtorch's thread count and its current stream on the device.
  Run run() const;
};

// Returns the target of a call that runs on the host, whatever the device of the tensors.
Target host_target(const Tables& tables);
// Returns the device of the tensors as the target if the core has kernels for it, otherwise the host.
Target target_of(const Tables& tables, const at::Device& device);

Matrix matrix_of(const at::Tensor& x);
ConstMatrix const_matrix_of(const at::Tensor& x);
Type element_type(const at::Tensor& x);

// Returns x on the device, detached and contiguous, in float64 if x is float64, otherwise in float32.
at::Tensor rows_for_core(const at::Tensor& x, const at::Device& device);

// Throws the error that a call reported, if any.
void require_ok(const Status& status);

}  // namespace horoball::train
