#include "tensor.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <cstring>
#include <map>

#include "device.h"

namespace horoball::train {
namespace {

at::Tensor channels(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({1, 3, 1, 1});
}

// (x / 255 - mean) / std as one multiplication and one addition a value; bytes are B x S x S x 3.
at::Tensor normalise(const at::Tensor& bytes, const at::Tensor& mean, const at::Tensor& std) {
  const auto pictures = bytes.permute({0, 3, 1, 2}).to(at::kFloat, false, true, at::MemoryFormat::Contiguous);
  return at::Tensor(pictures).mul_(1 / (255 * std)).sub_(mean / std);
}

// The lane's stream for copies to a device: one and the same, because memory is kept for each stream apart.
c10::Stream stream_for_copies(const at::Device& device) {
  static thread_local std::map<c10::DeviceIndex, c10::Stream> streams;
  const auto known = streams.find(device.index());
  if (known != streams.end()) return known->second;
  const auto made = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  return streams.emplace(device.index(), made).first->second;
}

// As `sent`, but while the device computes: what is queued on it from now on waits for the copy.
at::Tensor sent_meanwhile(const at::Tensor& values, const at::Device& device) {
  if (!device.is_cuda()) return values.to(device);
  const auto computing = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  const auto copying = stream_for_copies(device);
  at::Tensor there;
  {
    const c10::StreamGuard guard(copying);
    there = sent(values, device);
  }
  c10::Event arrived(device.type());
  arrived.record(copying);
  arrived.block(computing);
  there.record_stream(computing);
  return there;
}

at::Tensor view_of(Span<float> values, at::IntArrayRef shape) {
  return at::from_blob(values.data, shape, at::TensorOptions(at::kFloat));
}

// batch(images, count, size, mean, std, device)
Napi::Value batch(const Napi::CallbackInfo& info) {
  Call call{"batch.from"};
  const auto images = array<std::uint8_t>(info[0], call.held);
  const auto count = static_cast<std::int64_t>(number(info[1]));
  const auto size = static_cast<std::int64_t>(number(info[2]));
  auto out = make<TensorResource>(info.Env());
  const auto work = [out, images, count, size, mean = numbers(info[3]), std = numbers(info[4]),
                     name = text(info[5])](const Flag*) {
    const at::Device device = device_from(name);
    const auto bytes = at::from_blob(images.data, {count, size, size, 3}, at::TensorOptions(at::kByte));
    out->set(
        normalise(sent_meanwhile(bytes, device), sent(channels(mean), device), sent(channels(std), device)));
  };
  room(info.Env()).lane.post(std::move(call), work);
  return wrap_resource(info.Env(), out);
}

// normalisedBatch(pictures, count, size, device)
Napi::Value normalised_batch(const Napi::CallbackInfo& info) {
  Call call{"batch.fromNormalised"};
  const auto pictures = array<float>(info[0], call.held);
  const auto count = static_cast<std::int64_t>(number(info[1]));
  const auto size = static_cast<std::int64_t>(number(info[2]));
  auto out = make<TensorResource>(info.Env());
  const auto work = [out, pictures, count, size, name = text(info[3])](const Flag*) {
    out->set(view_of(pictures, {count, 3, size, size}).clone().to(device_from(name)));
  };
  room(info.Env()).lane.post(std::move(call), work);
  return wrap_resource(info.Env(), out);
}

// readTensor(tensor, out, cancel): Promise<void>
Napi::Value read_tensor(const Napi::CallbackInfo& info) {
  Call call{"tensor.data", cancel_from(info[2])};
  const auto to = array<float>(info[1], call.held);
  const auto tensor = from<TensorResource>(info[0]);
  const auto work = [tensor, to](const Flag*) { copy_out(tensor->get(), to); };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

// backwardTensor(tensor, cotangent)
void backward_tensor(const Napi::CallbackInfo& info) {
  Call call{"tensor.backward"};
  const auto cotangent = array<float>(info[1], call.held);
  const auto tensor = from<TensorResource>(info[0]);
  const auto work = [tensor, cotangent](const Flag*) {
    const auto& value = tensor->get();
    auto gradient = at::empty(value.sizes(), at::TensorOptions(at::kFloat));
    copy_in(cotangent, gradient);
    torch::autograd::backward({value}, {gradient.to(value.device())});
  };
  room(info.Env()).lane.post(std::move(call), work);
}

void check_length(const at::Tensor& tensor, Span<float> span) {
  if (tensor.numel() == static_cast<std::int64_t>(span.length)) return;
  const auto wanted = std::to_string(tensor.numel()), got = std::to_string(span.length);
  throw CodedError("ERR_HOROBALL_SHAPE", "expected " + wanted + " values, got " + got);
}

}  // namespace

void copy_out(const at::Tensor& from, Span<float> to) {
  check_length(from, to);
  view_of(to, from.sizes()).copy_(from.detach());
}

at::Tensor sent(const at::Tensor& values, const at::Device& device) {
  if (!device.is_cuda()) return values.to(device);
  return values.pin_memory().to(device, values.scalar_type(), /*non_blocking=*/true);
}

void copy_in(Span<float> from, at::Tensor to) {
  check_length(to, from);
  const torch::NoGradGuard frozen;
  to.copy_(view_of(from, to.sizes()));
}

void bind_tensors(Napi::Env env, Napi::Object exports) {
  exports.Set("batch", Napi::Function::New(env, batch, "batch"));
  exports.Set("normalisedBatch", Napi::Function::New(env, normalised_batch, "normalisedBatch"));
  exports.Set("readTensor", Napi::Function::New(env, read_tensor, "readTensor"));
  exports.Set("backwardTensor", Napi::Function::New(env, backward_tensor, "backwardTensor"));
}

}  // namespace horoball::train
