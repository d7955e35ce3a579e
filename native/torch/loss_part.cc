#include "loss_part.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "group.h"

namespace horoball::train {

std::unique_ptr<LossPart> LossPart::of(const Gathered& gathered, std::int64_t rows, std::int64_t views,
                                       const std::int32_t* order) {
  if (rows % views != 0) return nullptr;  // the loss itself rejects this
  const auto ranks = gathered.counts.size();
  std::vector<std::int64_t> ends(ranks);
  std::partial_sum(gathered.counts.begin(), gathered.counts.end(), ends.begin());
  const auto row_of = [&](std::int64_t sample) { return order == nullptr ? sample : order[sample]; };
  // The rank of a row; `ranks` for a row that no rank embedded.
  const auto rank_of = [&](std::int64_t row) {
    return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), row) - ends.begin());
  };

  std::vector<std::vector<std::int64_t>> classes(ranks + 1);
  for (std::int64_t sample = 0; sample < rows; sample += views) {
    const auto rank = rank_of(row_of(sample));
    for (std::int64_t view = 1; view < views; ++view) {
      if (rank_of(row_of(sample + view)) != rank) return nullptr;
    }
    classes[rank].push_back(sample);
  }

  std::unique_ptr<LossPart> made(new LossPart);
  LossPart& part = *made;
  const auto own = static_cast<std::size_t>(gathered.group->rank());
  part.part_.wanted = static_cast<std::int64_t>(classes[own].size());
  const auto& others = classes[ranks];
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const auto share = [&](std::size_t end) {
      return others.begin() + static_cast<std::ptrdiff_t>(others.size() * end / ranks);
    };
    classes[rank].insert(classes[rank].end(), share(rank), share(rank + 1));
    part.starts_.push_back(static_cast<std::int64_t>(part.order_.size()) / views);
    for (const std::int64_t sample : classes[rank]) {
      for (std::int64_t view = 0; view < views; ++view)
        part.order_.push_back(static_cast<std::int32_t>(row_of(sample + view)));
    }
  }
  part.starts_.push_back(static_cast<std::int64_t>(part.order_.size()) / views);
  part.group_ = gathered.group;
  part.part_.ranks = static_cast<std::int64_t>(ranks);
  part.part_.rank = gathered.group->rank();
  part.part_.starts = part.starts_.data();
  part.part_.first_row = ends[own] - gathered.counts[own];
  part.part_.gather = gather;
  part.part_.context = &part;
  return made;
}

void LossPart::apply_to(ContrastArgs& args) const {
  args.order = order_.data();
  args.part = &part_;
}

void LossPart::rethrow() const {
  if (error_) std::rethrow_exception(error_);
}

bool LossPart::gather(void* part, const void* own, std::int64_t bytes, void* all) {
  auto& self = *static_cast<LossPart*>(part);
  try {
    const auto sent = at::from_blob(const_cast<void*>(own), {bytes}, at::TensorOptions(at::kByte));
    const at::Tensor gathered = self.group_->gather(sent);
    std::memcpy(all, gathered.data_ptr(), gathered.nbytes());
    return true;
  } catch (...) {
    self.error_ = std::current_exception();
    return false;
  }
}

}  // namespace horoball::train
