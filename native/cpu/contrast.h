// The hybrid contrastive loss over all ordered pairs of views, forward and backward. One symmetric matrix of
// logits serves every pair of views, block by block.
#pragma once

#include "cpu/contrast_backward.h"
#include "cpu/contrast_finish.h"
#include "cpu/contrast_forward.h"
#include "cpu/contrast_memory.h"

namespace horoball {
namespace {

Status contrast(const ContrastArgs& args, const Run& run) {
  return args.type == Type::f32 ? Contrast<float>(args, run).compute()
                                : Contrast<double>(args, run).compute();
}

}  // namespace
}  // namespace horoball
