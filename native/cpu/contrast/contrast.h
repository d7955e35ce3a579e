// The contrastive loss over all ordered pairs of views, forward and backward. One symmetric matrix of logits
// serves every pair of views, block by block.
#pragma once

#include "cpu/contrast/backward.h"
#include "cpu/contrast/finish.h"
#include "cpu/contrast/forward.h"

namespace horoball {
namespace {

Status contrast(const ContrastArgs& args, const Run& run) {
  return with_type(args.type, [&]<class T>() { return Contrast<T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
