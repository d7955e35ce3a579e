#include "vit.h"

#include <cmath>

namespace horoball::train {
namespace {

namespace nn = torch::nn;

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

void initialize_linears(nn::Module& module, Initial& initial) {
  const torch::NoGradGuard frozen;
  for (auto& each : module.modules(false)) {
    auto* linear = each->as<nn::Linear>();
    if (linear == nullptr) continue;
    initial.trunc_normal(linear->weight, 0.02);
    if (linear->bias.defined()) linear->bias.zero_();
  }
}

// Initializes a gate with weights near 0 and a bias of 1, so that it is initially open. In a packed layer, timm initializes
// the second half this way, although the first half is the gate.
void open_gate(MlpImpl& mlp, Initial& initial) {
  const torch::NoGradGuard frozen;
  auto& layer = mlp.fc1_g ? mlp.fc1_g : mlp.fc1;
  const auto rows = layer->weight.size(0), first = mlp.fc1_g ? 0 : rows / 2;
  initial.normal(layer->weight.narrow(0, first, rows - first), 1e-6);
  layer->bias.narrow(0, first, rows - first).fill_(1);
}

}  // namespace

ViTImpl::ViTImpl(const ViTConfig& config, Initial& initial) : config_(config), patch_embed(config) {
  const auto width = config.embed_dim;
  const auto tokens = [&](const char* name, std::int64_t count) {
    return register_parameter(name, at::zeros({1, count, width}));
  };
  if (config.class_token) cls_token = tokens("cls_token", 1);
  if (config.distilled) dist_token = tokens("dist_token", 1);
  if (config.reg_tokens > 0) reg_token = tokens("reg_token", config.reg_tokens);
  const auto patches = config.rows() * config.columns();
  if (config.pos_embed)
    pos_embed = tokens("pos_embed", patches + (config.no_embed_class ? 0 : config.prefix()));
  register_module("patch_embed", patch_embed);
  if (config.pre_norm) norm_pre = register_module("norm_pre", Norm(width, config));
  for (std::int64_t i = 0; i < config.depth; ++i) blocks->push_back(Block(config));
  register_module("blocks", blocks);
  if (config.final_norm) norm = register_module("norm", Norm(width, config));
  if (config.pool == Pool::map) attn_pool = register_module("attn_pool", AttentionPool(config));
  if (config.fc_norm) fc_norm = register_module("fc_norm", Norm(width, config));
  initialize(initial);
  if (config.rope.type != RopeType::none) rope = register_module("rope", Rotary(config, initial));
}

// Initializes the weights as in timm: truncated normal for linear layers, position embeddings and the distillation token;
// uniform, as by default in a convolution, for the patch embedding; values near 0 for class and register tokens (Eva:
// truncated normal).
void ViTImpl::initialize(Initial& initial) {
  const auto token = [&](const at::Tensor& to) {
    if (to.defined()) config_.eva ? initial.trunc_normal(to, 0.02) : initial.normal(to, 1e-6);
  };
  token(cls_token);
  if (dist_token.defined()) initial.trunc_normal(dist_token, 0.02);
  token(reg_token);
  if (pos_embed.defined()) initial.trunc_normal(pos_embed, 0.02);
  const auto inputs = static_cast<double>(3 * config_.patch_size * config_.patch_size);
  const auto& patches = patch_embed->proj;
  initial.uniform(patches->weight, 1 / std::sqrt(inputs));
  if (patches->bias.defined()) initial.uniform(patches->bias, 1 / std::sqrt(inputs));
  for (std::int64_t i = 0; i < config_.depth; ++i) initialize_block(*blocks[i]->as<Block>(), i, initial);
  if (!attn_pool) return;
  initialize_linears(*attn_pool, initial);
  initial.trunc_normal_scaled(attn_pool->latent, 1 / std::sqrt(static_cast<double>(config_.embed_dim)));
}

void ViTImpl::initialize_block(BlockImpl& block, std::int64_t index, Initial& initial) {
  initialize_linears(block, initial);
  if (!config_.eva) {
    if (config_.mlp != MlpLayer::plain) open_gate(*block.mlp, initial);
    return;
  }
  const torch::NoGradGuard frozen;
  const double scale = std::sqrt(2.0 * static_cast<double>(index + 1));
  block.attn->proj->weight.div_(scale);
  block.mlp->fc2->weight.div_(scale);
}

at::Tensor ViTImpl::with_positions(const at::Tensor& patches) {
  std::vector<at::Tensor> tokens;
  for (const auto* token : {&cls_token, &dist_token, &reg_token}) {
    if (token->defined()) tokens.push_back(token->expand({patches.size(0), -1, -1}));
  }
  const bool inside = pos_embed.defined() && config_.no_embed_class;
  tokens.push_back(inside ? patches + pos_embed : patches);
  const auto x = tokens.size() == 1 ? tokens[0] : at::cat(tokens, 1);
  return pos_embed.defined() && !inside ? x + pos_embed : x;
}

at::Tensor ViTImpl::pooled(const at::Tensor& x) {
  if (config_.pool == Pool::token) return x.mean(1);
  const auto first = config_.pool_include_prefix ? 0 : config_.prefix();
  const auto patches = x.narrow(1, first, x.size(1) - first);
  return config_.pool == Pool::avg ? patches.mean(1) : attn_pool(patches);
}

at::Tensor ViTImpl::forward(const at::Tensor& images, bool class_alone, const Flag* cancel,
                            const Watch& watch) {
  const auto patches = patch_embed(images);
  if (watch) watch("patch_embed", patches);
  auto x = with_positions(patches);
  if (norm_pre) x = norm_pre(x);
  if (watch && norm_pre) watch("norm_pre", x);
  const auto rotations = rope ? rope(x) : std::vector<Rotation>();
  // Only attention mixes tokens, so after the attention of the last block, only the tokens that pooling reads are computed.
  // With twelve blocks, this saves up to a twelfth of the work.
  const std::int64_t all = x.size(1);
  const std::int64_t read = config_.pool != Pool::token ? all : dist_token.defined() && !class_alone ? 2 : 1;
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    poll(cancel);
    const bool last = i + 1 == blocks->size() && !watch;
    x = blocks[i]->as<Block>()->forward(x, last ? read : all, rope ? &rotations[i] : nullptr, watch,
                                        watch ? "blocks." + std::to_string(i) : std::string());
  }
  x = x.narrow(1, 0, read);
  const auto feature = pooled(norm ? norm(x) : x);
  return fc_norm ? fc_norm(feature) : feature;
}

void ViTImpl::freeze_patch_embed() { freeze(*patch_embed); }

void ViTImpl::freeze_blocks(std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) freeze(*blocks[i]);
}

}  // namespace horoball::train
