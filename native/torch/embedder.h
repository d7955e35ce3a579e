// Backbone and head as one trainable thing with named parameters.
#pragma once

#include "amp.h"
#include "head.h"
#include "room.h"
#include "vit.h"

namespace horoball::train {

struct NamedParameter {
  std::string name;  // timm's; the head's are head.weight and head.bias
  at::Tensor value;
};

struct EmbedderConfig {
  ViTConfig model;
  HeadConfig head;
  std::uint64_t seed = 0;
  bool freeze_patch_embed = false;
  bool freeze_head = false;
  std::int64_t freeze_blocks = 0;
  std::string device = "cpu";
  Precision precision = Precision::float32;
};

class EmbedderResource : public Resource {
 public:
  using Resource::Resource;

  void build(const EmbedderConfig& config);
  // The backbone in the model's precision, the head in float32.
  // `train` builds the graph of a backward pass; `class_alone`: see ViT.
  Outputs forward(const at::Tensor& pictures, bool train, bool class_alone, const Flag* cancel,
                  const Watch& watch = {});

  void set_curvature(double c, bool learnt);
  // Of what went backwards since the curvature was set, through the head alone; 0 for none.
  double curvature_gradient() const;

  const std::vector<NamedParameter>& parameters() const;
  const at::Tensor& parameter(const std::string& name) const;

 private:
  ViT backbone_{nullptr};
  Head head_{nullptr};
  Precision precision_ = Precision::float32;
  at::Device device_ = at::kCPU;
  std::vector<NamedParameter> parameters_;
};

void bind_embedder(Napi::Env env, Napi::Object exports);
void bind_state(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
