#include "ema.h"

#include "exports.h"

namespace horoball::train {

void EmaResource::attach(const EmbedderResource& model) {
  std::int64_t bytes = 0;
  for (const auto& [name, value] : model.parameters()) {
    if (!value.requires_grad()) continue;
    weights_.push_back(value);
    averages_.push_back(value.detach().clone());
    bytes += static_cast<std::int64_t>(value.nbytes());
  }
  holds(bytes);
}

void EmaResource::update(double decay) {
  const torch::NoGradGuard frozen;
  for (std::size_t i = 0; i < weights_.size(); ++i) averages_[i].lerp_(weights_[i], 1 - decay);
}

void EmaResource::swap() {
  const torch::NoGradGuard frozen;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const auto average = averages_[i].clone();
    averages_[i].copy_(weights_[i]);
    weights_[i].copy_(average);
  }
}

void EmaResource::read(const std::vector<Span<float>>& to) const {
  for (std::size_t i = 0; i < averages_.size(); ++i) copy_out(averages_[i], to.at(i));
}

void EmaResource::write(const std::vector<Span<float>>& from) {
  for (std::size_t i = 0; i < averages_.size(); ++i) copy_in(from.at(i), averages_[i]);
}

void bind_ema(Exports& exports) {
  exports.makes<EmaResource>("ema", "ema.create", &EmaResource::attach, "ema", "embedder");
  exports.posts("updateEma", "ema.update", &EmaResource::update, "ema", "decay");
  exports.posts("swapEma", "ema.swap", &EmaResource::swap, "ema");
  exports.answers("readEma", "ema.state", &EmaResource::read, "ema", "out");
  exports.answers("writeEma", "ema.loadState", &EmaResource::write, "ema", "values");
}

}  // namespace horoball::train
