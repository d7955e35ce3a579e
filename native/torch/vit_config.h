// The options of a vision transformer, in timm's terms. JavaScript fills in every default (lib/model/vit.ts).
#pragma once

#include <torch/torch.h>

#include <array>

namespace horoball::train {

enum class Pool { token, avg, map };
enum class Activation { gelu, gelu_tanh, quick_gelu, silu };
// The first layer of the MLP: a linear layer, or a gated pair (Shazeer 2020, arXiv 2002.05202) in one matrix or in two.
enum class MlpLayer { plain, swiglu_packed, swiglu };
// How the weights of queries, keys and values are stored: as one matrix with one bias, as one matrix with biases of q and v
// only, or as three matrices.
enum class QkvLayout { fused, fused_without_key_bias, separate };
enum class RopeType { none, axial, mixed, dinov3 };

struct RopeConfig {
  RopeType type = RopeType::none;
  double temperature = 10000;
  double grid_offset = 0;
  bool column_first = false;  // 'xy': columns rotate the first half of the channels, otherwise rows
  bool rotate_half = false;   // channel i is paired with i + width / 2, otherwise with its neighbor
  c10::optional<std::array<std::int64_t, 2>> reference;  // grid to which the positions of patches are scaled
};

struct ViTConfig {
  std::int64_t img_height = 224;
  std::int64_t img_width = 224;
  std::int64_t patch_size = 16;
  std::int64_t embed_dim = 384;
  std::int64_t depth = 12;
  std::int64_t num_heads = 6;
  double mlp_ratio = 4;
  double norm_eps = 1e-6;
  c10::optional<double> init_values;  // of the layer scale; if absent, there is no layer scale

  // Whether names, initial values and other details follow timm's class Eva instead of its VisionTransformer.
  bool eva = false;

  bool class_token = true;
  bool distilled = false;
  std::int64_t reg_tokens = 0;
  bool pos_embed = true;        // learned positions
  bool no_embed_class = false;  // positions only for the patches

  bool qkv_bias = true;
  bool key_bias = true;
  QkvLayout qkv = QkvLayout::fused;
  bool qk_norm = false;
  bool scale_attn_norm = false;  // a norm before the attention's projection
  bool scale_mlp_norm = false;   // a norm before the MLP's last layer
  MlpLayer mlp = MlpLayer::plain;
  std::int64_t mlp_align = 0;  // hidden width of `swiglu` is rounded up to a multiple of this; 0: not rounded
  Activation act = Activation::gelu;
  bool rms_norm = false;

  bool pre_norm = false;   // before the blocks; the patch embedding then has no bias
  bool final_norm = true;  // after the blocks
  bool fc_norm = false;    // after pooling
  Pool pool = Pool::token;
  bool pool_include_prefix = false;
  std::int64_t pool_heads = 6;
  double pool_mlp_ratio = 4;
  RopeConfig rope;

  std::int64_t rows() const { return img_height / patch_size; }
  std::int64_t columns() const { return img_width / patch_size; }
  // Tokens before the patches.
  std::int64_t prefix() const { return (class_token ? 1 : 0) + (distilled ? 1 : 0) + reg_tokens; }
};

}  // namespace horoball::train
