// Mixed precision: autocast of the backbone (Micikevicius et al. 2018, arXiv 1710.03740).
#pragma once

#include <torch/torch.h>

#include <string>

namespace horoball::train {

enum class Precision { float32, bfloat16, float16 };

Precision precision_from(const std::string& name);
// Throws where this libtorch cannot train in `precision` on `device`.
void check_precision(Precision precision, const at::Device& device);

// While it lives, operations run in `precision` where libtorch's lists say that they may.
class Autocast {
 public:
  Autocast(Precision precision, const at::Device& device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_;
  at::DeviceType device_;
};

}  // namespace horoball::train
