#include "cache.h"

#include "exports.h"

namespace horoball::train {
namespace {

// Detaches the parts from their graphs and concatenates them into one leaf tensor. A backward pass of the loss stores
// the gradient of the rows in the leaf.
void leaf(TensorResource& out, const std::vector<at::Tensor>& parts) {
  std::vector<at::Tensor> rows;
  for (const auto& part : parts) rows.push_back(part.detach());
  out.set(at::cat(rows).requires_grad_());
}

// Backpropagates the gradients of the leaves, from row `first` on, through the graphs of the outputs. Leaves that the loss
// did not read have no gradient and are skipped.
void backward_rows(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& leaves,
                   std::int64_t first) {
  std::vector<at::Tensor> values, gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& cached = leaves.at(i).grad();
    if (!cached.defined()) continue;
    values.push_back(outputs[i]);
    gradients.push_back(cached.narrow(0, first, values.back().size(0)));
  }
  if (!values.empty()) torch::autograd::backward(values, gradients);
}

// Sets `out` to the tensor followed by constant rows.
void append_rows(TensorResource& out, const TensorResource& tensor, Span<float> rows) {
  const at::Tensor& value = tensor.get();
  const auto width = value.size(1);
  auto constant =
      at::empty({static_cast<std::int64_t>(rows.length) / width, width}, at::TensorOptions(at::kFloat));
  copy_in(rows, constant);
  out.set(at::cat({value, constant.to(value.device())}), tensor.gathered());
}

}  // namespace

void bind_cache(Exports& exports) {
  exports.makes<TensorResource>("leaf", "embedder.cache", leaf, "out", "parts");
  exports.posts("backwardRows", "embedder.backward", backward_rows, "outputs", "leaves", "first");
  exports.makes<TensorResource>("appendRows", "memory.append", append_rows, "out", "tensor", "rows");
}

}  // namespace horoball::train
