#include "embedder.h"

#include "device.h"
#include "tensor.h"

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

Outputs EmbedderResource::forward(const at::Tensor& pictures, bool train, bool class_alone,
                                  const Flag* cancel, const Watch& watch) {
  parameters();
  const torch::AutoGradMode grad(train);
  at::Tensor body;
  {
    const Autocast lower(precision_, device_);
    body = backbone_->forward(pictures, class_alone, cancel, watch);
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

namespace {

ViTConfig vit_config(const Napi::Object& options) {
  const auto whole = [&](const char* key) { return static_cast<std::int64_t>(number(options.Get(key))); };
  ViTConfig config;
  config.img_size = whole("imgSize");
  config.patch_size = whole("patchSize");
  config.embed_dim = whole("embedDim");
  config.depth = whole("depth");
  config.num_heads = whole("numHeads");
  config.mlp_ratio = number(options.Get("mlpRatio"));
  config.qkv_bias = flag(options.Get("qkvBias"));
  config.norm_eps = number(options.Get("normEps"));
  config.distilled = flag(options.Get("distilled"));
  const Napi::Value init_values = options.Get("initValues");
  if (!init_values.IsNull()) config.init_values = number(init_values);
  return config;
}

EmbedderConfig embedder_config(const Napi::Object& options) {
  EmbedderConfig config;
  config.model = vit_config(options.Get("model").As<Napi::Object>());
  config.head.dim = static_cast<std::int64_t>(number(options.Get("dim")));
  config.head.unit = text(options.Get("head")) == "hypmix";
  const Napi::Value clip = options.Get("clipR");
  if (!clip.IsNull()) config.head.clip = number(clip);
  config.head.c = number(options.Get("c"));
  config.head.hypmix_guards = options.Get("compat").IsString();
  config.seed = static_cast<std::uint64_t>(number(options.Get("seed")));
  config.freeze_patch_embed = flag(options.Get("freezePatchEmbed"));
  config.freeze_head = flag(options.Get("freezeHead"));
  config.freeze_blocks = static_cast<std::int64_t>(number(options.Get("freezeBlocks")));
  config.device = text(options.Get("device"));
  config.precision = precision_from(text(options.Get("precision")));
  return config;
}

// What JavaScript is told of the parameters, copied on the lane.
struct Description {
  std::string name;
  std::vector<std::int64_t> shape;
  bool trainable;
};

Napi::Value describe(Napi::Env env, const std::vector<Description>& parameters) {
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

// embedder(config): { handle, ready: Promise<Parameter[]> }
Napi::Value embedder(const Napi::CallbackInfo& info) {
  auto model = make<EmbedderResource>(info.Env());
  const auto parameters = std::make_shared<std::vector<Description>>();
  const auto work = [model, parameters, config = embedder_config(info[0].As<Napi::Object>())](const Flag*) {
    model->build(config);
    for (const auto& [name, value] : model->parameters()) {
      parameters->push_back({name, value.sizes().vec(), value.requires_grad()});
    }
  };
  const auto answer = [parameters](Napi::Env env) { return describe(env, *parameters); };
  auto result = Napi::Object::New(info.Env());
  result.Set("handle", wrap_resource(info.Env(), model));
  result.Set("ready", room(info.Env()).lane.run({"embedder.create"}, work, answer));
  return result;
}

// forward(embedder, batch, train, classAlone, cancel): [body, euclidean, hyperbolic]
Napi::Value forward(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto model = from<EmbedderResource>(info[0]);
  const auto batch = from<TensorResource>(info[1]);
  const auto body = make<TensorResource>(env), euclidean = make<TensorResource>(env);
  const auto hyperbolic = make<TensorResource>(env);
  const auto work = [=, train = flag(info[2]), class_alone = flag(info[3])](const Flag* cancel) {
    const Outputs out = model->forward(batch->get(), train, class_alone, cancel);
    body->set(out.body);
    euclidean->set(out.euclidean);
    hyperbolic->set(out.hyperbolic);
  };
  room(env).lane.post({"embedder.forward", cancel_from(info[4])}, work);
  auto handles = Napi::Array::New(env, 3);
  handles.Set(0u, wrap_resource(env, body));
  handles.Set(1u, wrap_resource(env, euclidean));
  handles.Set(2u, wrap_resource(env, hyperbolic));
  return handles;
}

// setCurvature(embedder, c, learnt)
void set_curvature(const Napi::CallbackInfo& info) {
  const auto work = [model = from<EmbedderResource>(info[0]), c = number(info[1]),
                     learnt = flag(info[2])](const Flag*) { model->set_curvature(c, learnt); };
  room(info.Env()).lane.post({"embedder.setCurvature"}, work);
}

// curvatureGradient(embedder, cancel): Promise<number>
Napi::Value curvature_gradient(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<double>();
  const auto work = [out, model = from<EmbedderResource>(info[0])](const Flag*) {
    *out = model->curvature_gradient();
  };
  const auto answer = [out](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *out); };
  return room(info.Env()).lane.run({"embedder.curvatureGradient", cancel_from(info[1])}, work, answer);
}

}  // namespace

void bind_embedder(Napi::Env env, Napi::Object exports) {
  exports.Set("setCurvature", Napi::Function::New(env, set_curvature, "setCurvature"));
  exports.Set("curvatureGradient", Napi::Function::New(env, curvature_gradient, "curvatureGradient"));
  exports.Set("embedder", Napi::Function::New(env, embedder, "embedder"));
  exports.Set("forward", Napi::Function::New(env, forward, "forward"));
}

}  // namespace horoball::train
