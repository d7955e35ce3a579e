// Initial weights from a separate random generator, so that a seed always gives the same model, even if other code draws
// random numbers.
#pragma once

#include <torch/torch.h>

namespace horoball::train {

class Initial {
 public:
  explicit Initial(std::uint64_t seed);

  void normal(at::Tensor to, double std);
  void uniform(at::Tensor to, double bound);            // on [-bound, bound)
  void trunc_normal(at::Tensor to, double std);         // truncated at +-2, as in timm
  void trunc_normal_scaled(at::Tensor to, double std);  // truncated at +-2 std, as in timm's trunc_normal_tf_
  void orthogonal(at::Tensor to);                       // rows x cols, orthonormal along the shorter side

 private:
  at::Generator generator_;
};

}  // namespace horoball::train
