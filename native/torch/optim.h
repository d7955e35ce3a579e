// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), with moments that can be saved and restored.
#pragma once

#include "embedder.h"
#include "environment.h"
#include "proxies.h"

namespace horoball::train {

struct AdamWConfig {
  static constexpr const char* kTypeScript = "NativeAdamWOptions";
  std::vector<double> rates, decays;  // per trainable parameter: learning-rate factor and weight decay
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

class AdamWResource : public Resource {
 public:
  static constexpr const char* kKind = "AdamW";
  using Resource::Resource;

  // Adds the trainable parameters, then the proxies. Both resources may be disposed of before the optimizer.
  void attach(const EmbedderResource& model, const AdamWConfig& config, const ProxiesResource* proxies);

  void clip_grad_norm(double max);
  void step(double lr);
  void zero_grad();
  void scale_gradients(double factor);
  double grad_norm();

  // Copy the number of steps, then the first and second moment of each parameter, to and from the caller's arrays.
  void read(const std::vector<Span<float>>& to) const;
  void write(const std::vector<Span<float>>& from);

 private:
  void add(const std::string& name, const at::Tensor& value);

  struct Slot {
    std::string name;
    double rate, decay;
    at::Tensor parameter, first, second, steps;  // all on one device: the fused update reads `steps` there

    bool in_group_of(const Slot& other) const { return rate == other.rate && decay == other.decay; }
  };

  std::vector<at::Tensor> gradients() const;
  at::Tensor norm() const;
  void require_finite();
  void update(const std::vector<Slot*>& slots, double lr, double decay) const;
  void update_one(Slot& slot, double lr, double decay) const;

  AdamWConfig config_;
  std::vector<Slot> slots_;
  c10::optional<double> norm_before_clipping_;
};

void bind_optim(Exports& exports);

}  // namespace horoball::train

namespace horoball::node {

template <>
struct Converter<train::AdamWConfig> {
  static train::AdamWConfig from(Arguments& in, const Napi::Value& value);
};

}  // namespace horoball::node
