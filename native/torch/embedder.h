// Backbone and head as one module with named parameters.
#pragma once

#include "amp.h"
#include "environment.h"
#include "head.h"
#include "vit.h"

namespace horoball::train {

struct NamedParameter {
  std::string name;  // the name in timm, or head.weight and head.bias
  at::Tensor value;
};

struct EmbedderConfig {
  static constexpr const char* kTypeScript = "EmbedderNumbers";
  ViTConfig model;
  HeadConfig head;
  std::uint64_t seed = 0;
  bool freeze_patch_embed = false;
  bool freeze_head = false;
  std::int64_t freeze_blocks = 0;
  std::string device = "cpu";
  Precision precision = Precision::float32;
};

// The description of a parameter for JavaScript.
struct Description {
  static constexpr const char* kTypeScript = "Parameter";
  std::string name;
  std::vector<std::int64_t> shape;
  bool trainable;
};

class EmbedderResource : public Resource {
 public:
  static constexpr const char* kKind = "Embedder";
  using Resource::Resource;

  void build(const EmbedderConfig& config);
  // Runs the backbone in the model's precision and the head in float32. `train` builds the graph for a
  // backward pass; for `class_alone` see ViT.
  Outputs forward(const at::Tensor& images, bool train, bool class_alone, const Flag* cancel,
                  const Watch& watch = {});

  void set_curvature(double c, bool learnt);
  // Returns the gradient with respect to c that backward passes have accumulated since set_curvature(); 0 before the
  // first. It covers the head only, not the direct dependence of the loss on c.
  double curvature_gradient() const;

  const std::vector<NamedParameter>& parameters() const;
  const at::Tensor& parameter(const std::string& name) const;
  std::vector<Description> describe() const;
  const Head& head() const { return head_; }
  const at::Device& device() const { return device_; }

 private:
  ViT backbone_{nullptr};
  Head head_{nullptr};
  Precision precision_ = Precision::float32;
  at::Device device_ = at::kCPU;
  std::vector<NamedParameter> parameters_;
};

void bind_embedder(Exports& exports);
void bind_state(Exports& exports);

}  // namespace horoball::train

namespace horoball::node {

template <>
struct Converter<train::EmbedderConfig> {
  static train::EmbedderConfig from(Arguments& in, const Napi::Value& value);
};

}  // namespace horoball::node
