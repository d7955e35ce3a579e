// Rotary positions in two dimensions (Su et al. 2021, arXiv 2104.09864; Heo et al. 2024, arXiv 2403.13298):
// pairs of channels of queries and keys are rotated by angles that are linear in a patch's row and column.
#pragma once

#include "initial.h"
#include "vit_config.h"

namespace horoball::train {

// The rotation of one block; `sin` and `cos` are patches x channels, or heads x patches x channels for `mixed`.
struct Rotation {
  at::Tensor sin, cos;
  std::int64_t prefix = 0;  // tokens that are not rotated
  bool half = false;

  // Rotates x, which is batch x heads x tokens x channels. Returns it unchanged if it has no tokens after the prefix.
  at::Tensor operator()(const at::Tensor& x) const;
};

struct RotaryImpl : torch::nn::Module {
  RotaryImpl(const ViTConfig& config, Initial& initial);
  // Returns the rotations of all blocks, in order, on the device of `like`.
  std::vector<Rotation> forward(const at::Tensor& like);

 private:
  Rotation turned(const at::Tensor& angles, bool tiled) const;

  ViTConfig config_;
  at::Tensor freqs;    // `mixed`: 2 x depth x heads x pairs of channels
  at::Tensor angles_;  // of the other types: patches x pairs of channels
};
TORCH_MODULE(Rotary);

}  // namespace horoball::train
