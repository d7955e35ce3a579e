// The vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) with timm's structure and parameter
// names: class token, optional distillation token (Touvron et al. 2021, arXiv 2012.12877), learned positions,
// pre-norm blocks. The feature is the class token after the final norm, or its mean with the distillation
// token.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>

#include "initial.h"
#include "lane.h"

namespace horoball::train {

struct ViTConfig {
  std::int64_t img_size = 224;
  std::int64_t patch_size = 16;
  std::int64_t embed_dim = 384;
  std::int64_t depth = 12;
  std::int64_t num_heads = 6;
  double mlp_ratio = 4;
  bool qkv_bias = true;
  double norm_eps = 1e-6;
  bool distilled = false;
  c10::optional<double> init_values;  // of the layer scale; none without
};

// Hears of what each part of the network makes, by timm's name of the part.
using Watch = std::function<void(const std::string& name, const at::Tensor& value)>;

struct AttentionImpl : torch::nn::Module {
  explicit AttentionImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& x, std::int64_t read);

  std::int64_t num_heads;
  torch::nn::Linear qkv, proj;
};
TORCH_MODULE(Attention);

struct MlpImpl : torch::nn::Module {
  explicit MlpImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& x);

  torch::nn::Linear fc1, fc2;
};
TORCH_MODULE(Mlp);

struct LayerScaleImpl : torch::nn::Module {
  LayerScaleImpl(std::int64_t width, double value);

  at::Tensor gamma;
};
TORCH_MODULE(LayerScale);

struct BlockImpl : torch::nn::Module {
  explicit BlockImpl(const ViTConfig& config);
  // What becomes of the first `read` tokens; all of them are attended to.
  at::Tensor forward(const at::Tensor& x, std::int64_t read, const Watch& watch = {},
                     const std::string& name = {});

  torch::nn::LayerNorm norm1, norm2;
  Attention attn;
  Mlp mlp;
  LayerScale ls1{nullptr}, ls2{nullptr};
};
TORCH_MODULE(Block);

struct PatchEmbedImpl : torch::nn::Module {
  explicit PatchEmbedImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& pictures);  // B x 3 x S x S -> B x patches x width

  torch::nn::Conv2d proj;
};
TORCH_MODULE(PatchEmbed);

struct ViTImpl : torch::nn::Module {
  ViTImpl(const ViTConfig& config, Initial& initial);

  // B x 3 x S x S normalised pictures -> B x width. `cancel` is polled between blocks. `class_alone` leaves
  // the distillation token out of the feature.
  at::Tensor forward(const at::Tensor& pictures, bool class_alone, const Flag* cancel = nullptr,
                     const Watch& watch = {});

  // Excludes the patch embedding or the first n blocks from training.
  void freeze_patch_embed();
  void freeze_blocks(std::int64_t count);

 private:
  void initialise(const ViTConfig& config, Initial& initial);

  at::Tensor cls_token, dist_token, pos_embed;
  PatchEmbed patch_embed;
  torch::nn::ModuleList blocks;
  torch::nn::LayerNorm norm;
};
TORCH_MODULE(ViT);

}  // namespace horoball::train
