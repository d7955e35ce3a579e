// The part of a loss that this rank computes if the loss is divided among the ranks of a group. Each rank embedded some
// of the classes, and computes their pairs with all classes. Rows that no rank embedded (cross-batch memory) are also
// divided among the ranks.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "tensor.h"

namespace horoball::train {

class LossPart {
 public:
  // Returns this rank's part, or null if the loss cannot be divided by classes: several ranks have rows of the same class, or
  // the number of rows is not a multiple of `views`. The decision is the same on all ranks. `order` is ContrastArgs::order;
  // apply_to() replaces it with one in which the classes of a rank are consecutive.
  static std::unique_ptr<LossPart> of(const Gathered& gathered, std::int64_t rows, std::int64_t views,
                                      const std::int32_t* order);

  // Sets the part and the order in `args`, as pointers to this object, which must not move or be destroyed before the call
  // of the core returns.
  void apply_to(ContrastArgs& args) const;
  // Rethrows the error of a failed gather, if any.
  void rethrow() const;

 private:
  LossPart() = default;
  static bool gather(void* part, const void* own, std::int64_t bytes, void* all);

  std::shared_ptr<Group> group_;
  std::vector<std::int64_t> starts_;
  std::vector<std::int32_t> order_;
  ContrastPart part_;
  std::exception_ptr error_;
};

}  // namespace horoball::train
