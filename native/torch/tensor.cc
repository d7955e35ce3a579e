#include "tensor.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <cstring>
#include <map>

#include "device.h"
#include "exports.h"

namespace horoball::train {
namespace {

at::Tensor channels(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({1, 3, 1, 1});
}

// Returns (x / 255 - mean) / std, with one multiplication and one subtraction per value; bytes are B x H x W x 3.
at::Tensor normalize(const at::Tensor& bytes, const at::Tensor& mean, const at::Tensor& std) {
  const auto images = bytes.permute({0, 3, 1, 2}).to(at::kFloat, false, true, at::MemoryFormat::Contiguous);
  return at::Tensor(images).mul_(1 / (255 * std)).sub_(mean / std);
}

// Returns the lane's stream for copies to a device. It is always the same one, because libtorch caches memory per stream.
c10::Stream stream_for_copies(const at::Device& device) {
  static thread_local std::map<c10::DeviceIndex, c10::Stream> streams;
  const auto known = streams.find(device.index());
  if (known != streams.end()) return known->second;
  const auto made = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  return streams.emplace(device.index(), made).first->second;
}

// Like `sent`, but overlaps with queued computations: only work that is queued later waits for the copy.
at::Tensor sent_overlapped(const at::Tensor& values, const at::Device& device) {
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

// Throws ERR_HOROBALL_SHAPE unless there are `wanted` values.
void check_length(std::int64_t wanted, std::size_t got) {
  if (wanted == static_cast<std::int64_t>(got)) return;
  throw CodedError("ERR_HOROBALL_SHAPE",
                   "expected " + std::to_string(wanted) + " values, got " + std::to_string(got));
}

at::Tensor view_of(Span<float> values, at::IntArrayRef shape) {
  return at::from_blob(values.data, shape, at::TensorOptions(at::kFloat));
}

// The maximum count and side of images: far above any in use, and small enough that their product does not overflow.
constexpr std::int64_t kMaxSide = 1 << 20;

std::int64_t batch_length(std::int64_t count, std::int64_t height, std::int64_t width) {
  const auto sound = [](std::int64_t side) { return side >= 0 && side <= kMaxSide; };
  return sound(count) && sound(height) && sound(width) ? 3 * count * height * width : -1;
}

// Converts bytes, count x height x width x 3, to a normalized batch.
void batch(TensorResource& out, Span<std::uint8_t> images, std::int64_t count, std::int64_t height,
           std::int64_t width, const std::vector<double>& mean, const std::vector<double>& std,
           const std::string& name) {
  check_length(batch_length(count, height, width), images.length);
  check_length(3, mean.size());
  check_length(3, std.size());
  const at::Device device = device_from(name);
  const auto bytes = at::from_blob(images.data, {count, height, width, 3}, at::TensorOptions(at::kByte));
  const auto there = sent_overlapped(bytes, device);
  out.set(normalize(there, sent(channels(mean), device), sent(channels(std), device)));
}

void normalized_batch(TensorResource& out, Span<float> images, std::int64_t count, std::int64_t height,
                      std::int64_t width, const std::string& name) {
  check_length(batch_length(count, height, width), images.length);
  out.set(view_of(images, {count, 3, height, width}).clone().to(device_from(name)));
}

void backward_tensor(const at::Tensor& value, Span<float> cotangent) {
  auto gradient = at::empty(value.sizes(), at::TensorOptions(at::kFloat));
  copy_in(cotangent, gradient);
  torch::autograd::backward({value}, {gradient.to(value.device())});
}

}  // namespace

void copy_out(const at::Tensor& from, Span<float> to) {
  check_length(from.numel(), to.length);
  view_of(to, from.sizes()).copy_(from.detach());
}

at::Tensor sent(const at::Tensor& values, const at::Device& device) {
  if (!device.is_cuda()) return values.to(device);
  return values.pin_memory().to(device, values.scalar_type(), /*non_blocking=*/true);
}

void copy_in(Span<float> from, at::Tensor to) {
  check_length(to.numel(), from.length);
  const torch::NoGradGuard frozen;
  to.copy_(view_of(from, to.sizes()));
}

void bind_tensors(Exports& exports) {
  exports.makes<TensorResource>("batch", "batch.from", batch, "out", "images", "count", "height", "width",
                                "mean", "std", "device");
  exports.makes<TensorResource>("normalizedBatch", "batch.fromNormalized", normalized_batch, "out", "images",
                                "count", "height", "width", "device");
  exports.answers("readTensor", "tensor.data", copy_out, "tensor", "out");
  exports.posts("backwardTensor", "tensor.backward", backward_tensor, "tensor", "cotangent");
}

}  // namespace horoball::train
