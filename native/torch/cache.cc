#include "cache.h"

#include "tensor.h"

namespace horoball::train {
namespace {

using TensorPtr = std::shared_ptr<TensorResource>;

std::vector<TensorPtr> tensors_from(const Napi::Value& list) {
  std::vector<TensorPtr> tensors;
  const auto handles = list.As<Napi::Array>();
  for (std::uint32_t i = 0; i < handles.Length(); ++i)
    tensors.push_back(from<TensorResource>(handles.Get(i)));
  return tensors;
}

// leaf(parts): the rows of all parts, cut off from what made them; a backward pass leaves their gradient
// here.
Napi::Value leaf(const Napi::CallbackInfo& info) {
  const auto out = make<TensorResource>(info.Env());
  const auto work = [out, parts = tensors_from(info[0])](const Flag*) {
    std::vector<at::Tensor> rows;
    for (const auto& part : parts) rows.push_back(part->get().detach());
    out->set(at::cat(rows).requires_grad_());
  };
  room(info.Env()).lane.post({"embedder.cache"}, work);
  return wrap_resource(info.Env(), out);
}

// backwardRows(outputs, leaves, first): sends rows `first`... of the leaves' gradients through the outputs'
// graphs. A leaf that the loss did not read has none.
void backward_rows(const Napi::CallbackInfo& info) {
  const auto work = [outputs = tensors_from(info[0]), leaves = tensors_from(info[1]),
                     first = static_cast<std::int64_t>(number(info[2]))](const Flag*) {
    std::vector<at::Tensor> values, gradients;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto& cached = leaves.at(i)->get().grad();
      if (!cached.defined()) continue;
      values.push_back(outputs[i]->get());
      gradients.push_back(cached.narrow(0, first, values.back().size(0)));
    }
    if (!values.empty()) torch::autograd::backward(values, gradients);
  };
  room(info.Env()).lane.post({"embedder.backward"}, work);
}

// appendRows(tensor, rows): the tensor with constant rows below it
Napi::Value append_rows(const Napi::CallbackInfo& info) {
  Call call{"memory.append"};
  const auto rows = array<float>(info[1], call.held);
  const auto out = make<TensorResource>(info.Env());
  const auto work = [out, rows, tensor = from<TensorResource>(info[0])](const Flag*) {
    const auto& value = tensor->get();
    const auto width = value.size(1);
    auto constant =
        at::empty({static_cast<std::int64_t>(rows.length) / width, width}, at::TensorOptions(at::kFloat));
    copy_in(rows, constant);
    out->set(at::cat({value, constant.to(value.device())}));
  };
  room(info.Env()).lane.post(std::move(call), work);
  return wrap_resource(info.Env(), out);
}

}  // namespace

void bind_cache(Napi::Env env, Napi::Object exports) {
  exports.Set("leaf", Napi::Function::New(env, leaf, "leaf"));
  exports.Set("backwardRows", Napi::Function::New(env, backward_rows, "backwardRows"));
  exports.Set("appendRows", Napi::Function::New(env, append_rows, "appendRows"));
}

}  // namespace horoball::train
