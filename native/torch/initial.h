// Initial weights from a generator of their own, so that a seed means the same model whatever else draws.
#pragma once

#include <torch/torch.h>

namespace horoball::train {

class Initial {
 public:
  explicit Initial(std::uint64_t seed);

  void normal(at::Tensor to, double std);
  void uniform(at::Tensor to, double bound);     // on [-bound, bound)
  void trunc_normal(at::Tensor to, double std);  // cut at +-2, as timm has it
  void orthogonal(at::Tensor to);                // rows x cols, orthonormal along the shorter side

 private:
  at::Generator generator_;
};

}  // namespace horoball::train
