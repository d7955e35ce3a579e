#include "vit_parts.h"

#include <torch/version.h>

#include <cmath>

#include "amp.h"

namespace horoball::train {
namespace {

namespace nn = torch::nn;

std::int64_t scaled_width(std::int64_t width, double ratio) {
  return static_cast<std::int64_t>(static_cast<double>(width) * ratio);
}

// Returns the hidden width after the gate. In a packed layer, mlp_ratio covers both halves in timm's class
// VisionTransformer, but only one half in its class Eva.
std::int64_t hidden(const ViTConfig& config) {
  const auto width = scaled_width(config.embed_dim, config.mlp_ratio);
  if (config.mlp == MlpLayer::swiglu_packed && !config.eva) return width / 2;
  const auto align = config.mlp == MlpLayer::swiglu ? config.mlp_align : 0;
  return align == 0 ? width : (width + align - 1) / align * align;
}

// Computes attention in three operations, each over all heads and images at once.
at::Tensor attend_in_steps(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(at::matmul(q * scale, k.transpose(-2, -1)).softmax(-1), v);
}

// Returns softmax(q k^T / sqrt(width)) v over the last two dimensions, fused if libtorch has a public function for it.
// Gradients of 16-bit types on the CPU do not use the fused form: it would multiply the matrices of one head and one image
// at a time, and setting up such a product takes longer than the product itself.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
#if TORCH_VERSION_MAJOR >= 2
  const bool expensive = q.is_cpu() && q.element_size() == 2 && q.requires_grad();
  return expensive ? attend_in_steps(q, k, v) : at::scaled_dot_product_attention(q, k, v);
#else
  return attend_in_steps(q, k, v);
#endif
}

at::Tensor product(const nn::Linear& linear, const at::Tensor& x) {
  return train::product(linear->weight, linear->bias, x);
}

at::Tensor rows_of(const at::Tensor& x, std::int64_t first, std::int64_t count) {
  return x.defined() ? x.narrow(0, first, count) : x;
}

at::Tensor scaled(const at::Tensor& gamma, const at::Tensor& x) { return gamma.defined() ? x * gamma : x; }

// batch x tokens x width -> batch x heads x tokens x width of a head
at::Tensor by_head(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), -1, heads, x.size(2) / heads}).transpose(1, 2);
}

at::Tensor joined(const at::Tensor& heads) { return heads.transpose(1, 2).flatten(2); }

at::Tensor activated(Activation act, const at::Tensor& x) {
  switch (act) {
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      break;
  }
  return at::gelu(x);
}

nn::Linear linear(std::int64_t in, std::int64_t out, bool bias = true) {
  return nn::Linear(nn::LinearOptions(in, out).bias(bias));
}

}  // namespace

at::Tensor product(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  return rounded(at::linear(rounded(x), rounded(weight), rounded(bias)));
}

NormImpl::NormImpl(std::int64_t width, const ViTConfig& config)
    : eps_(config.norm_eps), weight(register_parameter("weight", at::ones({width}))) {
  if (!config.rms_norm) bias = register_parameter("bias", at::zeros({width}));
}

at::Tensor NormImpl::forward(const at::Tensor& x) {
  if (bias.defined()) return at::layer_norm(x, weight.sizes(), weight, bias, eps_);
  const auto wide = x.to(at::kFloat);
  return wide * at::rsqrt(wide.square().mean(-1, true) + eps_) * weight;
}

AttentionImpl::AttentionImpl(const ViTConfig& config)
    : proj(config.embed_dim, config.embed_dim), num_heads_(config.num_heads) {
  const auto width = config.embed_dim;
  if (config.qkv == QkvLayout::separate) {
    q_proj = register_module("q_proj", linear(width, width, config.qkv_bias));
    k_proj = register_module("k_proj", linear(width, width, config.qkv_bias && config.key_bias));
    v_proj = register_module("v_proj", linear(width, width, config.qkv_bias));
  } else {
    const bool parts = config.qkv == QkvLayout::fused_without_key_bias;
    qkv = register_module("qkv", linear(width, 3 * width, config.qkv_bias && !parts));
    if (config.qkv_bias && parts) {
      q_bias = register_parameter("q_bias", at::zeros({width}));
      v_bias = register_parameter("v_bias", at::zeros({width}));
    }
  }
  if (config.qk_norm) {
    q_norm = register_module("q_norm", Norm(width / num_heads_, config));
    k_norm = register_module("k_norm", Norm(width / num_heads_, config));
  }
  if (config.scale_attn_norm) norm = register_module("norm", Norm(width, config));
  register_module("proj", proj);
}

at::Tensor AttentionImpl::fused_bias() const {
  return q_bias.defined() ? at::cat({q_bias, at::zeros_like(q_bias), v_bias}) : qkv->bias;
}

// Computes queries, keys and values. The packed product is split along its last dimension, so that backward joins their
// gradients in one copy.
std::vector<at::Tensor> AttentionImpl::projected(const at::Tensor& x, std::int64_t read) {
  const auto width = x.size(2);
  if (q_proj) return {product(q_proj, x.narrow(1, 0, read)), product(k_proj, x), product(v_proj, x)};
  const auto bias = fused_bias();
  if (read == x.size(1)) return train::product(qkv->weight, bias, x).chunk(3, -1);
  const auto rest =
      train::product(rows_of(qkv->weight, width, 2 * width), rows_of(bias, width, 2 * width), x);
  auto parts = rest.chunk(2, -1);
  parts.insert(parts.begin(),
               train::product(rows_of(qkv->weight, 0, width), rows_of(bias, 0, width), x.narrow(1, 0, read)));
  return parts;
}

at::Tensor AttentionImpl::forward(const at::Tensor& x, std::int64_t read, const Rotation* rotation) {
  auto parts = projected(x, read);
  for (auto& part : parts) part = by_head(part, num_heads_);
  for (std::size_t i = 0; i < 2; ++i) {
    auto& part = parts[i];
    if (q_norm) part = (i == 0 ? q_norm : k_norm)(part).to(part.scalar_type());
    if (rotation != nullptr) part = (*rotation)(part);
  }
  const auto mixed = joined(attend(parts[0], parts[1], parts[2]));
  return product(proj, norm ? norm(mixed) : mixed);
}

MlpImpl::MlpImpl(const ViTConfig& config) : act_(config.act), packed_(config.mlp == MlpLayer::swiglu_packed) {
  const auto width = config.embed_dim, inner = hidden(config);
  if (config.mlp == MlpLayer::swiglu) {
    fc1_g = register_module("fc1_g", linear(width, inner));
    fc1_x = register_module("fc1_x", linear(width, inner));
  } else {
    fc1 = register_module("fc1", linear(width, packed_ ? 2 * inner : inner));
  }
  if (config.scale_mlp_norm) norm = register_module("norm", Norm(inner, config));
  fc2 = register_module("fc2", linear(inner, width));
}

MlpImpl::MlpImpl(std::int64_t width, std::int64_t hidden, Activation act)
    : fc1(register_module("fc1", linear(width, hidden))),
      fc2(register_module("fc2", linear(hidden, width))),
      act_(act) {}

at::Tensor MlpImpl::forward(const at::Tensor& x) {
  at::Tensor inner;
  if (fc1_g) {
    inner = activated(act_, product(fc1_g, x)) * product(fc1_x, x);
  } else if (packed_) {
    const auto halves = product(fc1, x).chunk(2, -1);
    inner = activated(act_, halves[0]) * halves[1];
  } else {
    inner = activated(act_, product(fc1, x));
  }
  return product(fc2, norm ? norm(inner) : inner);
}

LayerScaleImpl::LayerScaleImpl(std::int64_t width, double value)
    : gamma(register_parameter("gamma", at::full({width}, value))) {}

BlockImpl::BlockImpl(const ViTConfig& config)
    : norm1(config.embed_dim, config), norm2(config.embed_dim, config), attn(config), mlp(config) {
  const auto scale = [&](const char* eva_name, const char* name) {
    if (!config.init_values) return at::Tensor();
    const auto value = *config.init_values;
    if (config.eva) return register_parameter(eva_name, at::full({config.embed_dim}, value));
    return register_module(name, LayerScale(config.embed_dim, value))->gamma;
  };
  register_module("norm1", norm1);
  register_module("attn", attn);
  gamma1 = scale("gamma_1", "ls1");
  register_module("norm2", norm2);
  register_module("mlp", mlp);
  gamma2 = scale("gamma_2", "ls2");
}

at::Tensor BlockImpl::forward(const at::Tensor& x, std::int64_t read, const Rotation* rotation,
                              const Watch& watch, const std::string& name) {
  const auto attended = x.narrow(1, 0, read) + scaled(gamma1, attn(norm1(x), read, rotation));
  if (watch) watch(name + ".attn", attended);
  const auto out = attended + scaled(gamma2, mlp(norm2(attended)));
  if (watch) watch(name + ".mlp", out);
  return out;
}

PatchEmbedImpl::PatchEmbedImpl(const ViTConfig& config)
    : proj(nn::Conv2dOptions(3, config.embed_dim, config.patch_size)
               .stride(config.patch_size)
               .bias(!config.pre_norm)) {
  register_module("proj", proj);
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& images) {
  const auto stride = proj->options.stride();
  const auto patches = at::conv2d(rounded(images), rounded(proj->weight), rounded(proj->bias), *stride);
  return rounded(patches).flatten(2).transpose(1, 2);
}

AttentionPoolImpl::AttentionPoolImpl(const ViTConfig& config)
    : latent(register_parameter("latent", at::zeros({1, 1, config.embed_dim}))),
      num_heads_(config.pool_heads),
      q(register_module("q", linear(config.embed_dim, config.embed_dim))),
      kv(register_module("kv", linear(config.embed_dim, 2 * config.embed_dim))),
      proj(register_module("proj", linear(config.embed_dim, config.embed_dim))),
      norm(register_module("norm", Norm(config.embed_dim, config))),
      mlp(register_module("mlp", Mlp(config.embed_dim, scaled_width(config.embed_dim, config.pool_mlp_ratio),
                                     config.eva ? Activation::gelu : config.act))) {}

at::Tensor AttentionPoolImpl::forward(const at::Tensor& x) {
  const auto query = product(q, latent).expand({x.size(0), -1, -1});
  const auto parts = product(kv, x).chunk(2, -1);
  const auto mixed =
      attend(by_head(query, num_heads_), by_head(parts[0], num_heads_), by_head(parts[1], num_heads_));
  const auto pooled = product(proj, joined(mixed));
  return (pooled + mlp(norm(pooled))).select(1, 0);
}

}  // namespace horoball::train
