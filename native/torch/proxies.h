// Trainable proxies of the classes of a run, and the losses that compare a batch with them.
#pragma once

#include "embedder.h"
#include "pair_loss.h"

namespace horoball::train {

// One row z per class, as wide as the output of the head's linear layer. The head maps z to a unit vector and to a point
// of the ball, as it does for images. The parameters are therefore unconstrained vectors (in geometries with the ball,
// tangent vectors at its origin), which need no Riemannian optimizer.
class ProxiesResource : public Resource {
 public:
  static constexpr const char* kKind = "Proxies";
  using Resource::Resource;

  void create(const EmbedderResource& embedder, Span<float> values, std::int64_t rows);
  Outputs outputs() const;
  const at::Tensor& rows() const;
  void read(Span<float> to) const;
  void write(Span<float> from);

 private:
  Head head_{nullptr};
  at::Tensor rows_;
};

// Returns the loss of a batch against proxies, as a node of the graph. `args` is as in pair_loss(), without rows and their
// gradients; `classes` is the proxy index of each row of the batch. `args` and `run` are not kept after the call.
at::Tensor proxy_loss(const at::Tensor& euclidean, const at::Tensor& hyperbolic, const Outputs& proxies,
                      const std::int32_t* classes, const Tables& tables, const ContrastArgs& args,
                      const PairVariant& variant, const Run& run);

void bind_proxies(Exports& exports);

}  // namespace horoball::train
