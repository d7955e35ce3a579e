// From the backbone's feature to a unit vector and a point of the Poincaré ball:
// z = Linear(f); e = z / |z|; h = project(expmap0(clip(e or z))).
#pragma once

#include <torch/torch.h>

#include "initial.h"

namespace horoball::train {

struct HeadConfig {
  std::int64_t dim = 128;
  bool unit = true;            // the ball point comes from e (`hypmix`) rather than z (`hyp-vit`)
  c10::optional<double> clip;  // largest norm before expmap0
  double c = 0.1;              // at first; the ball's curvature is -c
  bool hypmix_guards = false;  // the published epsilons instead of none
};

struct Outputs {
  at::Tensor body, euclidean, hyperbolic;
};

struct HeadImpl : torch::nn::Module {
  HeadImpl(std::int64_t width, const HeadConfig& config, Initial& initial);
  Outputs forward(const at::Tensor& body);

  // Another curvature from here on; where it is learnt, backward passes leave their gradient in `c`.
  void set_curvature(double c, bool learnt);

  at::Tensor c;  // float64, no dimensions

 private:
  at::Tensor to_ball(const at::Tensor& u) const;

  HeadConfig config_;
  torch::nn::Linear linear;
};
TORCH_MODULE(Head);

}  // namespace horoball::train
