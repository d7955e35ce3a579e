// The arguments of `augment` (native/image/augment.h).
#pragma once

#include <cstdint>

#include "../image/augment.h"
#include "lists.h"
#include "way.h"

namespace horoball::bind {

inline constexpr std::int32_t kMaxAugmentSide = 1 << 14;
inline constexpr std::int32_t kMaxAugmentSteps = 1 << 10;

inline std::int64_t step_numbers(const image::AugmentArgs& a) {
  return std::int64_t{image::kStepLength} * a.steps;
}
inline std::int64_t augmented_length(const image::AugmentArgs& a) {
  return std::int64_t{3} * a.size * a.size;
}

// Changes an image in place, synchronously or as a job.
template <class In>
typename In::Result augment(typename In::Info info) {
  using A = image::AugmentArgs;
  In in(info);
  A args;
  in.read(args, &A::size);
  in.require(args.size >= 1 && args.size <= kMaxAugmentSide, "a side from 1 to 2^14");
  in.read(args, &A::steps);
  in.require(args.steps >= 0 && args.steps <= kMaxAugmentSteps, "at most 2^10 steps");
  in.read(args, List<&A::list, step_numbers>{});
  in.read(args, List<&A::pixels, augmented_length>{});
  in.require(image::consistent(args), "steps with valid numbers");
  return launch(in, way_of(in), [args](const Run&) {
    image::augment(args);
    return Status{};
  });
}

}  // namespace horoball::bind
