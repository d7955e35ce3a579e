// The families of the CUDA backend, each in the folder of its name.
#pragma once

#include "core.h"

namespace horoball::gpu {

Status pairwise(int device, const PairwiseArgs&, const Run&);
Status pairwise_vjp(int device, const PairwiseVjpArgs&, const Run&);
Status contrast(int device, const ContrastArgs&, const Run&);
Status select(int device, const SelectArgs&, const Run&);
Status delta(int device, const DeltaArgs&, const Run&);
Status row(int device, const RowArgs&, const Run&);
Status row_vjp(int device, const RowArgs&, const Run&);

}  // namespace horoball::gpu
