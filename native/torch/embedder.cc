#include "embedder.h"

#include "device.h"
#include "exports.h"
#include "named.h"

namespace horoball::train {

void EmbedderResource::build(const EmbedderConfig& config) {
  device_ = device_from(config.device);
  precision_ = config.precision;
  Initial initial(config.seed);
  backbone_ = ViT(config.model, initial);
  head_ = Head(config.model.embed_dim, config.head, initial);
  if (config.freeze_patch_embed) backbone_->freeze_patch_embed();
  backbone_->freeze_blocks(config.freeze_blocks);
  if (config.freeze_head) {
    for (auto& each : head_->parameters()) each.set_requires_grad(false);
  }
  backbone_->to(device_);
  head_->to(device_);
  for (const auto& each : backbone_->named_parameters()) parameters_.push_back({each.key(), each.value()});
  for (const auto& each : head_->named_parameters())
    parameters_.push_back({"head." + each.key(), each.value()});
  std::int64_t bytes = 0;
  for (const auto& each : parameters_) bytes += static_cast<std::int64_t>(each.value.nbytes());
  holds(bytes);
}

Outputs EmbedderResource::forward(const at::Tensor& images, bool train, bool class_alone, const Flag* cancel,
                                  const Watch& watch) {
  parameters();
  const torch::AutoGradMode grad(train);
  at::Tensor body;
  {
    const Autocast lower(precision_, device_);
    body = backbone_->forward(images, class_alone, cancel, watch);
  }
  const Outputs out = head_(body.to(at::kFloat));
  if (watch) {
    watch("norm", body);
    watch("head", out.euclidean);
    watch("head.expmap0", out.hyperbolic);
  }
  return out;
}

void EmbedderResource::set_curvature(double c, bool learnt) {
  parameters();
  head_->set_curvature(c, learnt);
}

double EmbedderResource::curvature_gradient() const {
  parameters();
  return head_->c.grad().defined() ? head_->c.grad().item<double>() : 0;
}

const std::vector<NamedParameter>& EmbedderResource::parameters() const {
  if (!parameters_.empty()) return parameters_;
  throw CodedError("ERR_HOROBALL_EMPTY", "the model was not built, because an earlier operation failed");
}

const at::Tensor& EmbedderResource::parameter(const std::string& name) const {
  for (const auto& each : parameters()) {
    if (each.name == name) return each.value;
  }
  throw CodedError("ERR_HOROBALL_NAME", "the model has no parameter " + name);
}

std::vector<Description> EmbedderResource::describe() const {
  std::vector<Description> all;
  for (const auto& [name, value] : parameters())
    all.push_back({name, value.sizes().vec(), value.requires_grad()});
  return all;
}

Napi::Value to_js(Napi::Env env, const std::vector<Description>& parameters) {
  auto list = Napi::Array::New(env, parameters.size());
  for (std::uint32_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, sizes, trainable] = parameters[i];
    auto shape = Napi::Array::New(env, sizes.size());
    for (std::uint32_t d = 0; d < sizes.size(); ++d) shape.Set(d, static_cast<double>(sizes[d]));
    auto entry = Napi::Object::New(env);
    entry.Set("name", name);
    entry.Set("shape", shape);
    entry.Set("trainable", trainable);
    list.Set(i, entry);
  }
  return list;
}

namespace {

void forward(TensorResource& body, TensorResource& euclidean, TensorResource& hyperbolic,
             EmbedderResource& model, const at::Tensor& batch, bool train, bool class_alone,
             const Flag* cancel) {
  const Outputs out = model.forward(batch, train, class_alone, cancel);
  body.set(out.body);
  euclidean.set(out.euclidean);
  hyperbolic.set(out.hyperbolic);
}

}  // namespace

void bind_embedder(Exports& exports) {
  exports.makes<EmbedderResource>("embedder", "embedder.create", &EmbedderResource::build, "embedder",
                                  "config");
  exports.answers("describeModel", "embedder.create", &EmbedderResource::describe, "embedder");
  exports.makes<TensorResource, TensorResource, TensorResource>("forward", "embedder.forward", forward,
                                                                "body", "euclidean", "hyperbolic", "embedder",
                                                                "batch", "train", "classAlone");
  exports.posts("setCurvature", "embedder.setCurvature", &EmbedderResource::set_curvature, "embedder", "c",
                "learnable");
  exports.answers("curvatureGradient", "embedder.curvatureGradient", &EmbedderResource::curvature_gradient,
                  "embedder");
}

}  // namespace horoball::train

namespace horoball::train {
namespace {

enum class ViTFamily { vit, eva };
enum class AttentionType { eva, rope };
enum class NormLayer { layernorm, rmsnorm };
enum class GridOrder { ij, xy };
enum class HeadInput { unit, linear };

// Options from which several members of ViTConfig are derived.
struct DerivedOptions {
  ViTFamily family{};
  AttentionType attention{};
  NormLayer norm{};
  GridOrder grid{};
  bool qkv_fused = false;
};

}  // namespace
}  // namespace horoball::train

namespace horoball::node {

template <>
struct Converter<train::ViTFamily> : train::Named<train::ViTFamily, "vit", "eva"> {};
template <>
struct Converter<train::AttentionType> : train::Named<train::AttentionType, "eva", "rope"> {};
template <>
struct Converter<train::NormLayer> : train::Named<train::NormLayer, "layernorm", "rmsnorm"> {};
template <>
struct Converter<train::GridOrder> : train::Named<train::GridOrder, "ij", "xy"> {};
template <>
struct Converter<train::HeadInput> : train::Named<train::HeadInput, "hypmix", "hyp-vit"> {};
template <>
struct Converter<train::MlpLayer> : train::Named<train::MlpLayer, "mlp", "swiglu_packed", "swiglu"> {};
template <>
struct Converter<train::Activation>
    : train::Named<train::Activation, "gelu", "gelu_tanh", "quick_gelu", "silu"> {};
template <>
struct Converter<train::Pool> : train::Named<train::Pool, "token", "avg", "map"> {};
template <>
struct Converter<train::RopeType> : train::Named<train::RopeType, "none", "cat", "mixed", "dinov3"> {};
template <>
struct Converter<train::Precision> : train::Named<train::Precision, "float32", "bfloat16", "float16"> {};

using bind::Field;
using bind::FieldList;
using train::EmbedderConfig;
using train::HeadConfig;
using train::RopeConfig;
using train::ViTConfig;

template <>
inline constexpr auto kProperties<train::DerivedOptions> = FieldList<
    Field<"family", &train::DerivedOptions::family>, Field<"attnType", &train::DerivedOptions::attention>,
    Field<"normLayer", &train::DerivedOptions::norm>, Field<"ropeGridIndexing", &train::DerivedOptions::grid>,
    Field<"qkvFused", &train::DerivedOptions::qkv_fused>>{};

template <>
inline constexpr auto kProperties<RopeConfig> =
    FieldList<Field<"ropeType", &RopeConfig::type>, Field<"ropeTemperature", &RopeConfig::temperature>,
              Field<"ropeGridOffset", &RopeConfig::grid_offset>,
              Field<"ropeRotateHalf", &RopeConfig::rotate_half>>{};

template <>
inline constexpr auto kProperties<ViTConfig> =
    FieldList<Field<"patchSize", &ViTConfig::patch_size>, Field<"embedDim", &ViTConfig::embed_dim>,
              Field<"depth", &ViTConfig::depth>, Field<"numHeads", &ViTConfig::num_heads>,
              Field<"mlpRatio", &ViTConfig::mlp_ratio>, Field<"normEps", &ViTConfig::norm_eps>,
              Field<"classToken", &ViTConfig::class_token>, Field<"distilled", &ViTConfig::distilled>,
              Field<"regTokens", &ViTConfig::reg_tokens>, Field<"posEmbed", &ViTConfig::pos_embed>,
              Field<"noEmbedClass", &ViTConfig::no_embed_class>, Field<"qkvBias", &ViTConfig::qkv_bias>,
              Field<"qkNorm", &ViTConfig::qk_norm>, Field<"scaleAttnNorm", &ViTConfig::scale_attn_norm>,
              Field<"scaleMlpNorm", &ViTConfig::scale_mlp_norm>, Field<"mlpLayer", &ViTConfig::mlp>,
              Field<"mlpAlign", &ViTConfig::mlp_align>, Field<"actLayer", &ViTConfig::act>,
              Field<"preNorm", &ViTConfig::pre_norm>, Field<"finalNorm", &ViTConfig::final_norm>,
              Field<"fcNorm", &ViTConfig::fc_norm>, Field<"globalPool", &ViTConfig::pool>,
              Field<"poolIncludePrefix", &ViTConfig::pool_include_prefix>,
              Field<"attnPoolNumHeads", &ViTConfig::pool_heads>,
              Field<"attnPoolMlpRatio", &ViTConfig::pool_mlp_ratio>>{};

template <>
inline constexpr auto kProperties<HeadConfig> =
    FieldList<Field<"dim", &HeadConfig::dim>, Field<"toBall", &HeadConfig::to_ball>,
              Field<"c", &HeadConfig::c>>{};

template <>
inline constexpr auto kProperties<EmbedderConfig> =
    FieldList<Field<"model", &EmbedderConfig::model>, Field<"seed", &EmbedderConfig::seed>,
              Field<"freezePatchEmbed", &EmbedderConfig::freeze_patch_embed>,
              Field<"freezeHead", &EmbedderConfig::freeze_head>,
              Field<"freezeBlocks", &EmbedderConfig::freeze_blocks>, Field<"device", &EmbedderConfig::device>,
              Field<"precision", &EmbedderConfig::precision>>{};

template <>
struct Converter<ViTConfig> {
  static ViTConfig from(Arguments& in, const Napi::Value& value) {
    const auto options = in.convert<Napi::Object>(value);
    ViTConfig config;
    read_properties(in, options, config, kProperties<ViTConfig>);
    const auto [height, width] = pair(in, options, "imgSize");
    config.img_height = height;
    config.img_width = width;
    if (const auto initial = in.property<std::optional<double>>(options, "initValues"))
      config.init_values = *initial;
    const auto derived = in.convert<train::DerivedOptions>(value);
    config.eva = derived.family == train::ViTFamily::eva;
    config.rms_norm = derived.norm == train::NormLayer::rmsnorm;
    config.key_bias = !config.eva || derived.attention == train::AttentionType::rope;
    config.qkv = !derived.qkv_fused ? train::QkvLayout::separate
                 : config.key_bias  ? train::QkvLayout::fused
                                    : train::QkvLayout::fused_without_key_bias;
    config.rope = in.convert<RopeConfig>(value);
    config.rope.column_first = derived.grid == train::GridOrder::xy;
    if (!options.Get("refFeatShape").IsNull()) config.rope.reference = pair(in, options, "refFeatShape");
    return config;
  }

 private:
  // Reads a height and a width; a single number means both.
  static std::array<std::int64_t, 2> pair(Arguments& in, const Napi::Object& options, const char* key) {
    if (options.Get(key).IsNumber()) {
      const auto side = in.property<std::int64_t>(options, key);
      return {side, side};
    }
    const auto both = in.property<std::vector<double>>(options, key);
    in.require(both.size() == 2, "a height and a width");
    return {in.whole<std::int64_t>(both[0]), in.whole<std::int64_t>(both[1])};
  }
};

EmbedderConfig Converter<EmbedderConfig>::from(Arguments& in, const Napi::Value& value) {
  const auto options = in.convert<Napi::Object>(value);
  EmbedderConfig config;
  read_properties(in, options, config, kProperties<EmbedderConfig>);
  config.head = in.convert<HeadConfig>(value);
  config.head.unit = in.property<train::HeadInput>(options, "head") == train::HeadInput::unit;
  config.head.guards = train::guards_of(in, in.property<std::optional<std::string>>(options, "compat"));
  config.head.tables = train::environment(in.env()).tables;
  return config;
}

}  // namespace horoball::node
