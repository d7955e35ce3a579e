// Handles to tensors that the lane (the libtorch thread, lane.h) computes, and to batches of images.
#pragma once

#include <torch/torch.h>

#include "environment.h"

namespace horoball::train {

class Group;

// How the first rows of a tensor were gathered from the ranks of a group. The rows after them belong to no rank.
struct Gathered {
  std::shared_ptr<Group> group;
  std::vector<std::int64_t> counts;  // rows of each rank
  at::Tensor own;                    // the rows of this rank, with their graph
};

// A tensor that the lane computes. Empty until the lane has filled it; if that work fails, it stays empty.
class TensorResource : public Resource {
 public:
  static constexpr const char* kKind = "Tensor";
  using Resource::Resource;

  // `gathered` is null if no rows were gathered.
  void set(at::Tensor value, std::shared_ptr<const Gathered> gathered = nullptr) {
    value_ = std::move(value);
    gathered_ = std::move(gathered);
    holds(static_cast<std::int64_t>(value_.nbytes()));
  }
  const at::Tensor& get() const {
    if (value_.defined()) return value_;
    throw CodedError("ERR_HOROBALL_EMPTY",
                     "the tensor was not computed, because an earlier operation failed");
  }

  const std::shared_ptr<const Gathered>& gathered() const { return gathered_; }

 private:
  at::Tensor value_;
  std::shared_ptr<const Gathered> gathered_;
};

// Copies to float32 memory on the host, checking the length.
void copy_out(const at::Tensor& from, Span<float> to);
// Copies from float32 memory on the host to a tensor, checking the length.
void copy_in(Span<float> from, at::Tensor to);

// Copies from the host to a device. For a GPU the values are pinned first, so that the copy is queued and the host does not
// wait.
at::Tensor sent(const at::Tensor& values, const at::Device& device);

void bind_tensors(Exports& exports);

}  // namespace horoball::train
