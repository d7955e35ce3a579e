// Mixed precision: autocast of the backbone (Micikevicius et al. 2018, arXiv 1710.03740).
//
// A CPU without instructions for a 16-bit type multiplies in that type several times more slowly than in
// float32. On such a CPU the products are emulated: inputs and outputs, forward and backward, are rounded to
// the type, and the sums are float32, as in hardware. Unlike in hardware, intermediate values of the attention stay in
// float32.
#pragma once

#include <torch/torch.h>

#include <string>

namespace horoball::train {

enum class Precision { float32, bfloat16, float16 };

// While an instance exists, the operations that libtorch's autocast lists for lower precision run in `precision`, or in
// float32 with emulated rounding.
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

// Rounds to the emulated type and converts back, forward and backward. Returns the tensor itself if nothing
// is emulated.
at::Tensor rounded(const at::Tensor& x);

}  // namespace horoball::train
