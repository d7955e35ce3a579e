// Maps the backbone's feature f to a unit vector e and a point h of the Poincaré ball: z = Linear(f), e = z / |z|, and h is
// the image of e or z under the row operations of the core that make up the head (native/ops/head.h).
#pragma once

#include <torch/torch.h>

#include "initial.h"
#include "row_map.h"

namespace horoball::train {

struct HeadConfig {
  std::int64_t dim = 128;
  bool unit = true;                   // h comes from e (`hypmix`) rather than z (`hyp-vit`)
  std::vector<RowOperation> to_ball;  // in order
  double c = 0.1;                     // initial value; the ball's curvature is -c
  Guards guards = Guards::clean;
  Tables tables;
};

struct Outputs {
  at::Tensor body, euclidean, hyperbolic;
};

struct HeadImpl : torch::nn::Module {
  HeadImpl(std::int64_t width, const HeadConfig& config, Initial& initial);
  Outputs forward(const at::Tensor& body);
  // Applies the operations after the linear layer.
  Outputs outputs_of(const at::Tensor& z, const at::Tensor& body) const;

  std::int64_t dim() const { return config_.dim; }

  // Changes c. If it is learnable, backward passes accumulate its gradient.
  void set_curvature(double c, bool learnable);

  at::Tensor c;  // float64 on the host, no dimensions

 private:
  at::Tensor to_ball(at::Tensor h) const;

  HeadConfig config_;
  torch::nn::Linear linear;
};
TORCH_MODULE(Head);

}  // namespace horoball::train
