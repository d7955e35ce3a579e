#include "trace.h"

#include "embedder.h"
#include "exports.h"

namespace horoball::train {
namespace {

bool all_finite(const at::Tensor& x) { return at::isfinite(x.detach()).all().item<bool>(); }

// Returns the name of the first tensor with a non-finite value, or an empty string. The order is that of the computation:
// images, weights, then the output of each part of the network.
std::string first_not_finite(EmbedderResource& model, const at::Tensor& images) {
  if (!all_finite(images)) return "the images";
  for (const auto& [name, value] : model.parameters()) {
    if (!all_finite(value)) return "the weight " + name;
  }
  std::string found;
  model.forward(images, /*train=*/false, /*class_alone=*/false, nullptr,
                [&](const std::string& name, const at::Tensor& value) {
                  if (found.empty() && !all_finite(value)) found = name;
                });
  return found;
}

}  // namespace

void bind_trace(Exports& exports) {
  exports.answers("firstNotFinite", "embedder.trace", first_not_finite, "embedder", "batch");
}

}  // namespace horoball::train
