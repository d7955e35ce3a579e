#include "image.h"

#include "../image/resample.h"
#include "bind.h"
#include "job.h"

namespace horoball::node {
namespace {

using R = image::ResampleArgs;

// Far above any picture, and such that no product of two sides and the channels overflows.
constexpr std::int32_t kMaxSide = 1 << 28;

std::int64_t source_length(const R& a) {
  return static_cast<std::int64_t>(a.width) * a.height * image::channels(a.layout);
}
std::int64_t window_length(const R& a) { return std::int64_t{3} * a.size * a.size; }

}  // namespace

Napi::Value resample(const Napi::CallbackInfo& info) {
  Arguments in(info);
  R args;
  for (auto member : {&R::width, &R::height}) in.read(args, member);
  in.read(args, &R::layout);
  in.require(args.layout <= image::Layout::cmyk, "a layout");
  in.require(args.width <= kMaxSide && args.height <= kMaxSide, "a picture of a reasonable size");
  in.read(args, List<&R::pixels, source_length>{});
  for (auto member : {&R::top, &R::left, &R::box_height, &R::box_width, &R::out_height, &R::out_width,
                      &R::window_top, &R::window_left, &R::size}) {
    in.read(args, member);
  }
  in.read(args, &R::flip);
  in.read(args, List<&R::out, window_length>{});
  in.require(image::consistent(args), "boxes that lie inside one another");
  return launch(in, way_of(in), [args](const Run&) {
    image::resample(args);
    return Status{};
  });
}

}  // namespace horoball::node
