// An exponential moving average of the weights (Polyak & Juditsky 1992), which is used for evaluation.
#pragma once

#include "embedder.h"
#include "environment.h"

namespace horoball::train {

class EmaResource : public Resource {
 public:
  static constexpr const char* kKind = "Ema";
  using Resource::Resource;

  void attach(const EmbedderResource& model);
  void update(double decay);
  // Swaps the averages with the model's weights; a second call restores both.
  void swap();

  // Copy the average of each trainable parameter to, and from, the caller's arrays.
  void read(const std::vector<Span<float>>& to) const;
  void write(const std::vector<Span<float>>& from);

 private:
  std::vector<at::Tensor> weights_, averages_;
};

void bind_ema(Exports& exports);

}  // namespace horoball::train
