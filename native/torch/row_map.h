// The core's operations on rows as autograd functions.
#pragma once

#include "backend.h"

namespace horoball::train {

// A row-wise operation, by its index in the core's list of row cards.
struct RowOperation {
  std::int32_t index = 0;
  double parameter = 0;  // of its card
};

// Maps every row of x. `c` holds one float64; the gradients of x and c are those of the card.
at::Tensor map_rows(const Tables& tables, const RowOperation& operation, Guards guards, const at::Tensor& x,
                    const at::Tensor& c);

// Applies an operation that returns a number to each row of one or two matrices.
at::Tensor map_to_numbers(const Tables& tables, const RowOperation& operation, at::TensorList inputs,
                          const at::Tensor& c);

}  // namespace horoball::train

namespace horoball::node {

template <>
inline constexpr auto kProperties<train::RowOperation> =
    bind::FieldList<bind::Field<"index", &train::RowOperation::index>,
                    bind::Field<"parameter", &train::RowOperation::parameter>>{};

}  // namespace horoball::node
