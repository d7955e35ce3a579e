#include "embedder.h"

#include "device.h"
#include "exports.h"

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

namespace horoball::node {

template <>
struct Converter<train::ViTConfig> {
  static train::ViTConfig from(Arguments& in, const Napi::Value& value) {
    const Reader read{in, in.convert<Napi::Object>(value)};
    train::ViTConfig config;
    const auto [height, width] = read.pair("imgSize");
    config.img_height = height;
    config.img_width = width;
    config.patch_size = read.whole("patchSize");
    config.embed_dim = read.whole("embedDim");
    config.depth = read.whole("depth");
    config.num_heads = read.whole("numHeads");
    config.mlp_ratio = read.real("mlpRatio");
    config.norm_eps = read.real("normEps");
    if (const auto value = read.take<std::optional<double>>("initValues")) config.init_values = *value;
    config.eva = read.text("family") == "eva";
    tokens(config, read);
    blocks(config, read);
    pooling(config, read);
    config.rope = rope(read);
    return config;
  }

 private:
  struct Reader {
    Arguments& in;
    Napi::Object options;

    template <class T>
    T take(const char* key) const {
      return in.property<T>(options, key);
    }
    std::int64_t whole(const char* key) const { return take<std::int64_t>(key); }
    double real(const char* key) const { return take<double>(key); }
    bool flag(const char* key) const { return take<bool>(key); }
    std::string text(const char* key) const { return take<std::string>(key); }
    // Height and width; a single number means both.
    std::array<std::int64_t, 2> pair(const char* key) const {
      if (options.Get(key).IsNumber()) return {whole(key), whole(key)};
      const auto both = take<std::vector<double>>(key);
      in.require(both.size() == 2, "a height and a width");
      return {in.whole<std::int64_t>(both[0]), in.whole<std::int64_t>(both[1])};
    }
  };

  static void tokens(train::ViTConfig& config, const Reader& read) {
    config.class_token = read.flag("classToken");
    config.distilled = read.flag("distilled");
    config.reg_tokens = read.whole("regTokens");
    config.pos_embed = read.flag("posEmbed");
    config.no_embed_class = read.flag("noEmbedClass");
  }

  static void blocks(train::ViTConfig& config, const Reader& read) {
    config.qkv_bias = read.flag("qkvBias");
    const bool rotary = read.text("attnType") == "rope";
    config.key_bias = !config.eva || rotary;
    config.qkv = !read.flag("qkvFused") ? train::QkvLayout::separate
                 : config.key_bias      ? train::QkvLayout::fused
                                        : train::QkvLayout::fused_without_key_bias;
    config.qk_norm = read.flag("qkNorm");
    config.scale_attn_norm = read.flag("scaleAttnNorm");
    config.scale_mlp_norm = read.flag("scaleMlpNorm");
    const auto mlp = read.text("mlpLayer");
    if (mlp == "swiglu") config.mlp = train::MlpLayer::swiglu;
    if (mlp == "swiglu_packed") config.mlp = train::MlpLayer::swiglu_packed;
    config.mlp_align = read.whole("mlpAlign");
    const auto act = read.text("actLayer");
    if (act == "gelu_tanh") config.act = train::Activation::gelu_tanh;
    if (act == "quick_gelu") config.act = train::Activation::quick_gelu;
    if (act == "silu") config.act = train::Activation::silu;
    config.rms_norm = read.text("normLayer") == "rmsnorm";
  }

  static void pooling(train::ViTConfig& config, const Reader& read) {
    config.pre_norm = read.flag("preNorm");
    config.final_norm = read.flag("finalNorm");
    config.fc_norm = read.flag("fcNorm");
    const auto pool = read.text("globalPool");
    config.pool = pool == "avg" ? train::Pool::avg : pool == "map" ? train::Pool::map : train::Pool::token;
    config.pool_include_prefix = read.flag("poolIncludePrefix");
    config.pool_heads = read.whole("attnPoolNumHeads");
    config.pool_mlp_ratio = read.real("attnPoolMlpRatio");
  }

  static train::RopeConfig rope(const Reader& read) {
    train::RopeConfig rope;
    const auto type = read.text("ropeType");
    if (type == "cat") rope.type = train::RopeType::axial;
    if (type == "mixed") rope.type = train::RopeType::mixed;
    if (type == "dinov3") rope.type = train::RopeType::dinov3;
    rope.temperature = read.real("ropeTemperature");
    rope.grid_offset = read.real("ropeGridOffset");
    rope.column_first = read.text("ropeGridIndexing") == "xy";
    rope.rotate_half = read.flag("ropeRotateHalf");
    if (!read.options.Get("refFeatShape").IsNull()) rope.reference = read.pair("refFeatShape");
    return rope;
  }
};

train::EmbedderConfig Converter<train::EmbedderConfig>::from(Arguments& in, const Napi::Value& value) {
  const auto options = in.convert<Napi::Object>(value);
  const auto text = [&](const char* key) { return in.property<std::string>(options, key); };
  train::EmbedderConfig config;
  config.model = in.property<train::ViTConfig>(options, "model");
  config.head.dim = in.property<std::int64_t>(options, "dim");
  config.head.unit = text("head") == "hypmix";
  config.head.to_ball = in.property<std::vector<train::RowOperation>>(options, "toBall");
  config.head.c = in.property<double>(options, "c");
  config.head.guards = options.Get("compat").IsString() ? Guards::hypmix : Guards::clean;
  config.head.tables = train::environment(in.env()).tables;
  config.seed = in.property<std::uint64_t>(options, "seed");
  config.freeze_patch_embed = in.property<bool>(options, "freezePatchEmbed");
  config.freeze_head = in.property<bool>(options, "freezeHead");
  config.freeze_blocks = in.property<std::int64_t>(options, "freezeBlocks");
  config.device = text("device");
  config.precision = train::precision_from(text("precision"));
  return config;
}

}  // namespace horoball::node
