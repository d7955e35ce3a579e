// The parts of a vision transformer, with timm's structure and parameter names.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>

#include "rotary.h"
#include "vit_config.h"

namespace horoball::train {

// Called with the name and the output of each part of the network. Parts of the backbone have their names in timm.
using Watch = std::function<void(const std::string& name, const at::Tensor& value)>;

// Returns x W^T + b, subject to autocast or emulated rounding (amp.h).
at::Tensor product(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x);

// LayerNorm, or RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) over the last dimension.
struct NormImpl : torch::nn::Module {
  NormImpl(std::int64_t width, const ViTConfig& config);
  at::Tensor forward(const at::Tensor& x);

 private:
  double eps_;
  at::Tensor weight, bias;
};
TORCH_MODULE(Norm);

struct AttentionImpl : torch::nn::Module {
  explicit AttentionImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& x, std::int64_t read, const Rotation* rotation);

  torch::nn::Linear proj;

 private:
  // Queries of the first `read` tokens, keys and values of all: batch x tokens x width each.
  std::vector<at::Tensor> projected(const at::Tensor& x, std::int64_t read);
  at::Tensor fused_bias() const;

  std::int64_t num_heads_;
  torch::nn::Linear qkv{nullptr}, q_proj{nullptr}, k_proj{nullptr}, v_proj{nullptr};
  at::Tensor q_bias, v_bias;
  Norm q_norm{nullptr}, k_norm{nullptr}, norm{nullptr};
};
TORCH_MODULE(Attention);

struct MlpImpl : torch::nn::Module {
  explicit MlpImpl(const ViTConfig& config);
  // Constructs the MLP of attention pooling: always plain and without a norm inside.
  MlpImpl(std::int64_t width, std::int64_t hidden, Activation act);
  at::Tensor forward(const at::Tensor& x);

  torch::nn::Linear fc1{nullptr}, fc1_g{nullptr}, fc1_x{nullptr}, fc2{nullptr};

 private:
  Activation act_;
  bool packed_ = false;
  Norm norm{nullptr};
};
TORCH_MODULE(Mlp);

struct LayerScaleImpl : torch::nn::Module {
  LayerScaleImpl(std::int64_t width, double value);

  at::Tensor gamma;
};
TORCH_MODULE(LayerScale);

struct BlockImpl : torch::nn::Module {
  explicit BlockImpl(const ViTConfig& config);
  // Returns the output for the first `read` tokens; attention covers all tokens.
  at::Tensor forward(const at::Tensor& x, std::int64_t read, const Rotation* rotation,
                     const Watch& watch = {}, const std::string& name = {});

  Norm norm1, norm2;
  Attention attn;
  Mlp mlp;

 private:
  at::Tensor gamma1, gamma2;  // layer scales
};
TORCH_MODULE(Block);

struct PatchEmbedImpl : torch::nn::Module {
  explicit PatchEmbedImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& images);  // B x 3 x H x W -> B x patches x width

  torch::nn::Conv2d proj;
};
TORCH_MODULE(PatchEmbed);

// Pools tokens by the attention of one learned query, followed by an MLP (Zhai et al. 2022, arXiv 2106.04560).
struct AttentionPoolImpl : torch::nn::Module {
  explicit AttentionPoolImpl(const ViTConfig& config);
  at::Tensor forward(const at::Tensor& x);  // B x tokens x width -> B x width

  at::Tensor latent;

 private:
  std::int64_t num_heads_;
  torch::nn::Linear q, kv, proj;
  Norm norm;
  Mlp mlp;
};
TORCH_MODULE(AttentionPool);

}  // namespace horoball::train
