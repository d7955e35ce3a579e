#include "vit.h"

#include <torch/version.h>

#include <cmath>

#include "amp.h"

namespace horoball::train {
namespace {

namespace nn = torch::nn;

nn::LayerNorm layer_norm(const ViTConfig& config) {
  return nn::LayerNorm(nn::LayerNormOptions({config.embed_dim}).eps(config.norm_eps));
}

std::int64_t hidden(const ViTConfig& config) {
  return static_cast<std::int64_t>(static_cast<double>(config.embed_dim) * config.mlp_ratio);
}

// Three operations, each over all heads and pictures at once.
at::Tensor attend_in_steps(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(at::matmul(q * scale, k.transpose(-2, -1)).softmax(-1), v);
}

// softmax(q k^T / sqrt(width)) v over the last two dimensions; fused where libtorch has it in public. The
// gradient of its fused form on the CPU multiplies 16-bit matrices a head and a picture at a time, and
// setting such a product up takes longer than the product.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
#if TORCH_VERSION_MAJOR >= 2
  const bool dear = q.is_cpu() && q.element_size() == 2 && q.requires_grad();
  return dear ? attend_in_steps(q, k, v) : at::scaled_dot_product_attention(q, k, v);
#else
  return attend_in_steps(q, k, v);
#endif
}

// As autocast has it where it is emulated, else as it stands.
at::Tensor product(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  return rounded(at::linear(rounded(x), rounded(weight), rounded(bias)));
}
at::Tensor product(const nn::Linear& linear, const at::Tensor& x) {
  return product(linear->weight, linear->bias, x);
}

at::Tensor rows_of(const at::Tensor& x, std::int64_t first, std::int64_t count) {
  return x.defined() ? x.narrow(0, first, count) : x;
}

at::Tensor scaled(const LayerScale& scale, const at::Tensor& x) { return scale ? x * scale->gamma : x; }

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

}  // namespace

AttentionImpl::AttentionImpl(const ViTConfig& config)
    : num_heads(config.num_heads),
      qkv(nn::LinearOptions(config.embed_dim, 3 * config.embed_dim).bias(config.qkv_bias)),
      proj(config.embed_dim, config.embed_dim) {
  register_module("qkv", qkv);
  register_module("proj", proj);
}

// Cut by columns, so that the three gradients come together in one copy.
at::Tensor AttentionImpl::forward(const at::Tensor& x, std::int64_t read) {
  const auto batch = x.size(0), width = x.size(2);
  std::vector<at::Tensor> parts;
  if (read == x.size(1)) {
    parts = product(qkv, x).chunk(3, -1);
  } else {
    const auto rest =
        product(rows_of(qkv->weight, width, 2 * width), rows_of(qkv->bias, width, 2 * width), x);
    parts = rest.chunk(2, -1);
    parts.insert(parts.begin(),
                 product(rows_of(qkv->weight, 0, width), rows_of(qkv->bias, 0, width), x.narrow(1, 0, read)));
  }
  for (auto& part : parts) part = part.view({batch, -1, num_heads, width / num_heads}).transpose(1, 2);
  const auto mixed = attend(parts[0], parts[1], parts[2]);  // batch, head, token, width of a head
  return product(proj, mixed.transpose(1, 2).reshape({batch, read, width}));
}

MlpImpl::MlpImpl(const ViTConfig& config)
    : fc1(config.embed_dim, hidden(config)), fc2(hidden(config), config.embed_dim) {
  register_module("fc1", fc1);
  register_module("fc2", fc2);
}

at::Tensor MlpImpl::forward(const at::Tensor& x) { return product(fc2, at::gelu(product(fc1, x))); }

LayerScaleImpl::LayerScaleImpl(std::int64_t width, double value)
    : gamma(register_parameter("gamma", at::full({width}, value))) {}

BlockImpl::BlockImpl(const ViTConfig& config)
    : norm1(layer_norm(config)), norm2(layer_norm(config)), attn(config), mlp(config) {
  register_module("norm1", norm1);
  register_module("attn", attn);
  if (config.init_values) ls1 = register_module("ls1", LayerScale(config.embed_dim, *config.init_values));
  register_module("norm2", norm2);
  register_module("mlp", mlp);
  if (config.init_values) ls2 = register_module("ls2", LayerScale(config.embed_dim, *config.init_values));
}

at::Tensor BlockImpl::forward(const at::Tensor& x, std::int64_t read, const Watch& watch,
                              const std::string& name) {
  const auto attended = x.narrow(1, 0, read) + scaled(ls1, attn(norm1(x), read));
  if (watch) watch(name + ".attn", attended);
  const auto out = attended + scaled(ls2, mlp(norm2(attended)));
  if (watch) watch(name + ".mlp", out);
  return out;
}

PatchEmbedImpl::PatchEmbedImpl(const ViTConfig& config)
    : proj(nn::Conv2dOptions(3, config.embed_dim, config.patch_size).stride(config.patch_size)) {
  register_module("proj", proj);
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& pictures) {
  const auto stride = proj->options.stride();
  const auto patches = at::conv2d(rounded(pictures), rounded(proj->weight), rounded(proj->bias), *stride);
  return rounded(patches).flatten(2).transpose(1, 2);
}

ViTImpl::ViTImpl(const ViTConfig& config, Initial& initial) : patch_embed(config), norm(layer_norm(config)) {
  const auto side = config.img_size / config.patch_size;
  const auto tokens = side * side + (config.distilled ? 2 : 1);
  cls_token = register_parameter("cls_token", at::zeros({1, 1, config.embed_dim}));
  if (config.distilled) dist_token = register_parameter("dist_token", at::zeros({1, 1, config.embed_dim}));
  pos_embed = register_parameter("pos_embed", at::zeros({1, tokens, config.embed_dim}));
  register_module("patch_embed", patch_embed);
  for (std::int64_t i = 0; i < config.depth; ++i) blocks->push_back(Block(config));
  register_module("blocks", blocks);
  register_module("norm", norm);
  initialise(config, initial);
}

// timm's: truncated normal for linear layers, positions and distillation token, the convolution's usual
// uniform for the patch embedding, next to nothing for the class token.
void ViTImpl::initialise(const ViTConfig& config, Initial& initial) {
  initial.normal(cls_token, 1e-6);
  if (config.distilled) initial.trunc_normal(dist_token, 0.02);
  initial.trunc_normal(pos_embed, 0.02);
  const auto inputs = static_cast<double>(3 * config.patch_size * config.patch_size);
  initial.uniform(patch_embed->proj->weight, 1 / std::sqrt(inputs));
  initial.uniform(patch_embed->proj->bias, 1 / std::sqrt(inputs));
  const torch::NoGradGuard frozen;
  for (auto& module : blocks->modules(false)) {
    auto* linear = module->as<nn::Linear>();
    if (linear == nullptr) continue;
    initial.trunc_normal(linear->weight, 0.02);
    if (linear->bias.defined()) linear->bias.zero_();
  }
}

at::Tensor ViTImpl::forward(const at::Tensor& pictures, bool class_alone, const Flag* cancel,
                            const Watch& watch) {
  const auto patches = patch_embed(pictures);
  if (watch) watch("patch_embed", patches);
  const auto batch = patches.size(0);
  const bool distilled = dist_token.defined();
  std::vector<at::Tensor> tokens{cls_token.expand({batch, -1, -1})};
  if (distilled) tokens.push_back(dist_token.expand({batch, -1, -1}));
  tokens.push_back(patches);
  auto x = at::cat(tokens, 1) + pos_embed;
  // Nothing but the attention mixes tokens: behind the last one only those that are read are worked out, a
  // twelfth less of twelve blocks.
  const std::int64_t read = distilled && !class_alone ? 2 : 1, all = x.size(1);
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    poll(cancel);
    const bool last = i + 1 == blocks->size() && !watch;
    x = blocks[i]->as<Block>()->forward(x, last ? read : all, watch,
                                        watch ? "blocks." + std::to_string(i) : std::string());
  }
  return norm(x.narrow(1, 0, read)).mean(1);
}

void ViTImpl::freeze_patch_embed() { freeze(*patch_embed); }

void ViTImpl::freeze_blocks(std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) freeze(*blocks[i]);
}

}  // namespace horoball::train
