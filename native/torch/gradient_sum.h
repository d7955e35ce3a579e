// Sums the gradients of a network over the ranks of a group while the backward pass computes them.
#pragma once

#include <memory>
#include <vector>

#include "embedder.h"
#include "group.h"

namespace horoball::train {

// Gradients are sent in buckets, from the last parameter to the first. A bucket is sent once it and all buckets before
// it are complete, so the order is the same on every rank, and most of the communication overlaps with the rest of the
// backward pass. c10d's Reducer does the same, but the signature of its constructor differs between
// almost all versions of libtorch, and it averages over the ranks, whereas the loss over the rows of all ranks
// needs the sum.
class GradientSum {
 public:
  GradientSum(const EmbedderResource& model, std::shared_ptr<Group> group);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // Declares the next backward pass to be the last one that adds to the gradients.
  void arm();
  // Waits for the sums and replaces the gradients with them.
  void finish();

 private:
  struct State;
  using Accumulator = decltype(torch::autograd::impl::grad_accumulator(at::Tensor()));

  std::shared_ptr<State> state_;
  std::vector<Accumulator> accumulators_;  // autograd itself keeps only weak references
};

}  // namespace horoball::train
