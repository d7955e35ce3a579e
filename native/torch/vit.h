// The vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) with the structure and parameter names of timm's
// classes VisionTransformer, VisionTransformerDistilled and Eva: pre-norm blocks; a class token, a distillation token
// (Touvron et al. 2021, arXiv 2012.12877) or register tokens (Darcet et al. 2024, arXiv 2309.16588); learned or rotary
// positions. The feature is the class token, its mean with the distillation token, the mean of the patches (or of all
// tokens) or the output of attention pooling, each after the norms that the configuration names.
#pragma once

#include "lane.h"
#include "vit_parts.h"

namespace horoball::train {

struct ViTImpl : torch::nn::Module {
  ViTImpl(const ViTConfig& config, Initial& initial);

  // Maps normalized images (B x 3 x H x W) to features (B x width). `cancel` is polled between blocks. `class_alone` leaves
  // the distillation token out of the feature.
  at::Tensor forward(const at::Tensor& images, bool class_alone, const Flag* cancel = nullptr,
                     const Watch& watch = {});

  // Excludes the patch embedding or the first n blocks from training.
  void freeze_patch_embed();
  void freeze_blocks(std::int64_t count);

 private:
  void initialize(Initial& initial);
  void initialize_block(BlockImpl& block, std::int64_t index, Initial& initial);
  at::Tensor with_positions(const at::Tensor& patches);
  at::Tensor pooled(const at::Tensor& x);

  ViTConfig config_;
  at::Tensor cls_token, dist_token, reg_token, pos_embed;
  PatchEmbed patch_embed;
  Rotary rope{nullptr};
  torch::nn::ModuleList blocks;
  Norm norm_pre{nullptr}, norm{nullptr}, fc_norm{nullptr};
  AttentionPool attn_pool{nullptr};
};
TORCH_MODULE(ViT);

}  // namespace horoball::train
