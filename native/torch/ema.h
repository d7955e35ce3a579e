// An exponential moving average of the weights (Polyak & Juditsky 1992), to be evaluated in their place.
#pragma once

#include "embedder.h"
#include "room.h"

namespace horoball::train {

class EmaResource : public Resource {
 public:
  using Resource::Resource;

  void attach(const EmbedderResource& model);
  void update(double decay);
  // Exchanges the averages and the model's weights; a second call puts both back.
  void swap();

  // The average of each trainable parameter.
  void read(const std::vector<Span<float>>& to) const;
  void write(const std::vector<Span<float>>& from);

 private:
  std::vector<at::Tensor> weights_, averages_;
};

void bind_ema(Napi::Env env, Napi::Object exports);

}  // namespace horoball::train
