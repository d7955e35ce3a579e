#include "gradient_sum.h"

#include <torch/torch.h>

#include <mutex>

namespace horoball::train {
namespace {

// The bucket sizes of torch's DistributedDataParallel: a small first bucket starts the communication early.
constexpr std::size_t kFirstBytes = 1 << 20, kBytes = 25 << 20;

}  // namespace

struct GradientSum::State {
  struct Bucket {
    std::vector<at::Tensor> parameters;
    std::size_t bytes = 0;
    std::size_t waiting = 0;  // parameters without a complete gradient
    at::Tensor sum;
    std::function<void()> wait;
  };

  std::shared_ptr<Group> group;
  std::vector<Bucket> buckets;
  std::mutex mutex;
  bool armed = false;
  std::size_t next = 0;  // the first bucket that has not been sent

  void complete(std::size_t bucket);
  void send(Bucket& bucket);
};

namespace {

// Runs after a backward pass has added to the gradient of one parameter.
template <class Complete>
struct Hook : torch::autograd::FunctionPostHook {
  explicit Hook(Complete complete) : complete(std::move(complete)) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    complete();
    return outputs;
  }
  Complete complete;
};

}  // namespace

GradientSum::GradientSum(const EmbedderResource& model, std::shared_ptr<Group> group)
    : state_(std::make_shared<State>()) {
  state_->group = std::move(group);
  auto& buckets = state_->buckets;
  const auto& all = model.parameters();
  for (auto each = all.rbegin(); each != all.rend(); ++each) {
    if (!each->value.requires_grad()) continue;
    const std::size_t most = buckets.size() < 2 ? kFirstBytes : kBytes;
    if (buckets.empty() || buckets.back().bytes >= most) buckets.emplace_back();
    buckets.back().parameters.push_back(each->value);
    buckets.back().bytes += each->value.nbytes();
  }
  for (std::size_t index = 0; index < buckets.size(); ++index) {
    for (const auto& parameter : buckets[index].parameters) {
      const std::weak_ptr<State> weak = state_;
      const auto complete = [weak, index] {
        if (const auto state = weak.lock()) state->complete(index);
      };
      auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
      accumulator->add_post_hook(std::make_unique<Hook<decltype(complete)>>(complete));
      accumulators_.push_back(accumulator);
    }
  }
}

GradientSum::~GradientSum() = default;

void GradientSum::arm() {
  const std::lock_guard lock(state_->mutex);
  state_->armed = true;
  state_->next = 0;
  for (auto& bucket : state_->buckets) {
    bucket.waiting = bucket.parameters.size();
    bucket.wait = nullptr;
  }
}

void GradientSum::State::complete(std::size_t bucket) {
  const std::lock_guard lock(mutex);
  if (!armed) return;
  --buckets[bucket].waiting;
  for (; next < buckets.size() && buckets[next].waiting == 0; ++next) send(buckets[next]);
}

// Starts to sum the gradients of a bucket over the ranks. Skips parameters that do not affect the loss: they have no
// gradient on any rank.
void GradientSum::State::send(Bucket& bucket) {
  const torch::NoGradGuard frozen;
  std::vector<at::Tensor> flat;
  for (const auto& parameter : bucket.parameters) {
    if (parameter.grad().defined()) flat.push_back(parameter.grad().reshape({-1}));
  }
  if (flat.empty()) return;
  bucket.sum = at::cat(flat);
  bucket.wait = group->start_sum(bucket.sum);
}

void GradientSum::finish() {
  const torch::NoGradGuard frozen;
  auto& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.armed) return;
    state.armed = false;
    for (; state.next < state.buckets.size(); ++state.next) state.send(state.buckets[state.next]);
  }
  for (auto& bucket : state.buckets) {
    if (!bucket.wait) continue;
    bucket.wait();
    bucket.wait = nullptr;
    std::int64_t first = 0;
    for (const auto& parameter : bucket.parameters) {
      auto gradient = parameter.grad();
      if (!gradient.defined()) continue;
      gradient.copy_(bucket.sum.narrow(0, first, gradient.numel()).view_as(gradient));
      first += gradient.numel();
    }
    bucket.sum.reset();
  }
}

}  // namespace horoball::train
