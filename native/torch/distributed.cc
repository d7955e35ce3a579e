// The JavaScript handle to a group of ranks, its collectives, and the handle to the sum of the gradients.
#include "distributed.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "exports.h"
#include "gradient_sum.h"
#include "group.h"

namespace horoball::train {
namespace {

using Counts = std::vector<std::int64_t>;

class GroupResource : public Resource {
 public:
  static constexpr const char* kKind = "Group";
  using Resource::Resource;
  Group& operator*() const { return *group_; }
  Group* operator->() const { return group_.get(); }
  const std::shared_ptr<Group>& shared() const { return group_; }

 private:
  const std::shared_ptr<Group> group_ = std::make_shared<Group>();
};

class GradientSumResource : public Resource {
 public:
  static constexpr const char* kKind = "GradientSum";
  using Resource::Resource;
  void attach(const EmbedderResource& model, GroupResource& group) {
    sum_ = std::make_unique<GradientSum>(model, group.shared());
  }
  GradientSum& get() const {
    if (sum_ != nullptr) return *sum_;
    throw CodedError("ERR_HOROBALL_EMPTY", "the sum was not computed, because an earlier operation failed");
  }

 private:
  std::unique_ptr<GradientSum> sum_;
};

// Returns the rows of all ranks, in rank order. Ranks may have different numbers of rows, but a collective needs the same
// number from each, so each rank pads its rows with zeros to the largest number.
at::Tensor gather_rows(Group& group, const at::Tensor& own, const Counts& counts) {
  if (static_cast<int>(counts.size()) != group.size() || counts[group.rank()] != own.size(0))
    throw CodedError("ERR_HOROBALL_SHAPE",
                     "expected counts that match the rows of each rank, got different ones");
  const auto most = *std::max_element(counts.begin(), counts.end());
  const auto rows = own.size(0);
  at::Tensor sent = own;
  if (rows < most) {
    auto shape = own.sizes().vec();
    shape[0] = most - rows;
    sent = at::cat({own, at::zeros(shape, own.options())});
  }
  const at::Tensor all = group.gather(sent);
  if (std::all_of(counts.begin(), counts.end(), [&](std::int64_t count) { return count == most; }))
    return all;
  std::vector<at::Tensor> parts;
  for (std::size_t rank = 0; rank < counts.size(); ++rank)
    parts.push_back(all.narrow(0, static_cast<std::int64_t>(rank) * most, counts[rank]));
  return at::cat(parts);
}

// Gathers the rows of all ranks. Every rank computes the same loss of all rows, so the gradient of its own rows is a slice
// of the gradient of all rows, without communication or averaging. A loss that is divided among the ranks (loss_part.h)
// does not use this graph.
class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& own, Group* group,
                            const Counts& counts) {
    ctx->saved_data["first"] =
        std::accumulate(counts.begin(), counts.begin() + group->rank(), std::int64_t{0});
    ctx->saved_data["rows"] = own.size(0);
    return gather_rows(*group, own.detach(), counts);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    const auto first = ctx->saved_data["first"].toInt(), rows = ctx->saved_data["rows"].toInt();
    return {upstream[0].narrow(0, first, rows), {}, {}};
  }
};

void gather_tensor(TensorResource& out, GroupResource& group, const at::Tensor& own, const Counts& counts) {
  out.set(Gather::apply(own, &*group, counts),
          std::make_shared<Gathered>(Gathered{group.shared(), counts, own}));
}

void gather_values(GroupResource& group, Span<float> own, const Counts& counts, Span<float> out) {
  const auto rows = static_cast<std::int64_t>(own.length);
  const at::Tensor values = at::from_blob(own.data, {rows}, at::TensorOptions(at::kFloat)).clone();
  copy_out(gather_rows(*group, values, counts), out);
}

void sum_values(GroupResource& group, Span<double> values) {
  const auto view =
      at::from_blob(values.data, {static_cast<std::int64_t>(values.length)}, at::TensorOptions(at::kDouble));
  const at::Tensor sums = view.clone();
  group->start_sum(sums)();
  view.copy_(sums);
}

void broadcast_model(GroupResource& group, const EmbedderResource& model) {
  const torch::NoGradGuard frozen;
  for (const auto& each : model.parameters()) {
    const at::Tensor values = each.value.detach().contiguous();
    group->broadcast(values);
    each.value.detach().copy_(values);
  }
}

void join(GroupResource& group, const GroupConfig& config, const Flag* cancel) {
  group->join(config, cancel);
}
std::string share(GroupResource& group, const std::string& key, const std::string& text) {
  return group->share(key, text);
}
void at(GroupResource& group, const std::string& where) { group->at(where); }
void fail(GroupResource& group, const std::string& message) { group->fail(message); }
void close(GroupResource& group) { group->close(); }
void arm(GradientSumResource& sum) { sum.get().arm(); }
void finish(GradientSumResource& sum) { sum.get().finish(); }

}  // namespace
}  // namespace horoball::train

namespace horoball::node {

template <>
inline constexpr auto kProperties<train::GroupConfig> = bind::FieldList<
    bind::Field<"host", &train::GroupConfig::host>, bind::Field<"port", &train::GroupConfig::port>,
    bind::Field<"rank", &train::GroupConfig::rank>, bind::Field<"size", &train::GroupConfig::size>,
    bind::Field<"launched", &train::GroupConfig::launched>,
    bind::Field<"prefix", &train::GroupConfig::prefix>,
    bind::Field<"interface", &train::GroupConfig::interface>,
    bind::Field<"joinSeconds", &train::GroupConfig::join_seconds>,
    bind::Field<"timeout", &train::GroupConfig::timeout>,
    bind::Field<"patience", &train::GroupConfig::patience>>{};

}  // namespace horoball::node

namespace horoball::train {

void bind_distributed(Exports& exports) {
  exports.makes<GroupResource>(
      "group", "group", [](GroupResource&) {}, "group");
  exports.answers("joinGroup", "group.join", join, "group", "options");
  exports.answers("shareText", "group.share", share, "group", "key", "text");
  exports.answers("sumValues", "group.sum", sum_values, "group", "values");
  exports.answers("gatherValues", "group.gather", gather_values, "group", "values", "counts", "out");
  exports.makes<TensorResource>("gatherRows", "group.gather", gather_tensor, "out", "group", "tensor",
                                "counts");
  exports.answers("broadcastModel", "group.broadcast", broadcast_model, "group", "embedder");
  exports.calls("groupAt", at, "group", "where");
  exports.calls("failGroup", fail, "group", "message");
  exports.answers("closeGroup", "group.close", close, "group");
  exports.makes<GradientSumResource>("gradientSum", "gradients.sum", &GradientSumResource::attach, "sum",
                                     "embedder", "group");
  exports.posts("armGradientSum", "gradients.sum", arm, "sum");
  exports.posts("finishGradientSum", "gradients.sum", finish, "sum");
}

}  // namespace horoball::train
