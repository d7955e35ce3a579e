// Mixed precision: autocast of the backbone (Micikevicius et al. 2018, arXiv 1710.03740).
//
// A CPU without the instructions for a type multiplies in it several times slower than in float32. There the
// products are emulated: what goes in and what comes out, forward and backward, is rounded to the type, and
// the sum between is float32, as it is in the instructions. Only the inside of the softmax stays float32.
#pragma once

#include <torch/torch.h>

#include <string>

namespace horoball::train {

enum class Precision { float32, bfloat16, float16 };

Precision precision_from(const std::string& name);

// While it lives, operations run in `precision` where libtorch's lists say that they may, or are emulated.
class Autocast {
 public:
  Autocast(Precision precision, const at::Device& device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_;
  bool emulated_;
  at::DeviceType device_;
};

// To the emulated type and back, in both directions; the tensor itself where nothing is emulated.
at::Tensor rounded(const at::Tensor& x);

}  // namespace horoball::train
