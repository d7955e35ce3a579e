// The arguments of `resample` (native/image/resample.h).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "../image/resample.h"
#include "lists.h"
#include "way.h"

namespace horoball {

template <>
inline constexpr image::Layout kLast<image::Layout> = image::Layout::cmyk;

namespace bind {

// Far above the size of any image; products of two sides and the channels, and sums of two sides, do not
// overflow.
inline constexpr std::int32_t kMaxSide = 1 << 28;

template <class In>
void read_sides(In& in, image::ResampleArgs& args,
                std::initializer_list<std::int32_t image::ResampleArgs::*> members) {
  for (const auto member : members) {
    in.read(args, member);
    in.require(args.*member >= 0 && args.*member <= kMaxSide, "a side from 0 to 2^28");
  }
}

inline std::int64_t source_length(const image::ResampleArgs& a) {
  return static_cast<std::int64_t>(a.width) * a.height * image::channels(a.layout);
}
inline std::int64_t window_length(const image::ResampleArgs& a) { return std::int64_t{3} * a.size * a.size; }

// Crops, resizes and flips an image, synchronously or as a job.
template <class In>
typename In::Result resample(typename In::Info info) {
  using R = image::ResampleArgs;
  In in(info);
  R args;
  read_sides(in, args, {&R::width, &R::height});
  in.read(args, &R::layout);
  in.read(args, List<&R::pixels, source_length>{});
  in.read(args, &R::background);
  in.require(args.background >= image::kDropAlpha && args.background <= 255, "a gray level or -1");
  read_sides(in, args,
             {&R::top, &R::left, &R::box_height, &R::box_width, &R::out_height, &R::out_width, &R::window_top,
              &R::window_left, &R::size});
  in.read(args, &R::flip);
  in.read(args, List<&R::out, window_length>{});
  in.require(image::consistent(args), "nested boxes");
  return launch(in, way_of(in), [args](const Run&) {
    image::resample(args);
    return Status{};
  });
}

}  // namespace bind
}  // namespace horoball
