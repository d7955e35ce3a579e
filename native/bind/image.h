// Binds the functions of native/image to JavaScript.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "../image/augment.h"
#include "../image/decode_jpeg.h"
#include "../image/resample.h"
#include "fields.h"
#include "launch.h"

namespace horoball {

template <>
inline constexpr image::Layout kLast<image::Layout> = image::Layout::cmyk;

namespace bind {

// A function on images, synchronous or as a job. `expected` names the condition that `consistent` checks.
template <Name own_name, class Args, void (*function)(const Args&), Name expected, class... Fields>
struct ImageFunction {
  static constexpr const char* kName = own_name.text;

  template <class In>
  static typename In::Result call(typename In::Info info) {
    In in(info);
    in.before_job_in_last_argument();
    Args args;
    (bind::read(in, args, Fields{}), ...);
    in.require(image::consistent(args), expected.text);
    return launch(in, launch_of(in), kNoCheck, [args](const Run&) {
      function(args);
      return Status{};
    });
  }

  static std::string arguments() { return ((describe(Fields{}) + ",") + ...) + describe_launch(); }
};

// The maximum side of an image: far above any in use, but small enough that width * height * channels and the sum of two
// sides do not overflow.
inline constexpr std::int32_t kMaxSide = 1 << 28;
inline constexpr std::int32_t kMaxJpegBytes = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int32_t kMaxAugmentSide = 1 << 14;
inline constexpr std::int32_t kMaxAugmentSteps = 1 << 10;

inline std::int64_t source_length(const image::ResampleArgs& a) {
  return static_cast<std::int64_t>(a.width) * a.height * image::channels(a.layout);
}
inline std::int64_t window_length(const image::ResampleArgs& a) { return std::int64_t{3} * a.size * a.size; }
inline std::int64_t step_numbers(const image::AugmentArgs& a) {
  return std::int64_t{image::kStepLength} * a.steps;
}
inline std::int64_t augmented_length(const image::AugmentArgs& a) {
  return std::int64_t{3} * a.size * a.size;
}

inline std::int64_t file_length(const image::DecodeJpegArgs& a) { return a.length; }
inline std::int64_t decoded_length(const image::DecodeJpegArgs& a) {
  return static_cast<std::int64_t>(a.width) * a.height * a.channels;
}

using J = image::DecodeJpegArgs;
using R = image::ResampleArgs;
using A = image::AugmentArgs;
template <Name name, auto member>
using Side = Bounded<name, member, 0, kMaxSide>;

using Resample =
    ImageFunction<"resample", R, image::resample, "nested boxes", Side<"width", &R::width>,
                  Side<"height", &R::height>, Field<"layout", &R::layout>,
                  List<"pixels", &R::pixels, source_length>,
                  Bounded<"background", &R::background, image::kDropAlpha, 255>, Side<"top", &R::top>,
                  Side<"left", &R::left>, Side<"boxHeight", &R::box_height>, Side<"boxWidth", &R::box_width>,
                  Side<"outHeight", &R::out_height>, Side<"outWidth", &R::out_width>,
                  Side<"windowTop", &R::window_top>, Side<"windowLeft", &R::window_left>,
                  Side<"size", &R::size>, Field<"flip", &R::flip>, List<"out", &R::out, window_length>>;

using DecodeJpeg =
    ImageFunction<"decodeJpeg", J, image::decode_jpeg, "a gray or RGB image", Side<"width", &J::width>,
                  Side<"height", &J::height>, Bounded<"channels", &J::channels, 1, 3>,
                  Bounded<"length", &J::length, 0, kMaxJpegBytes>, List<"file", &J::file, file_length>,
                  List<"out", &J::out, decoded_length>, List<"decoded", &J::decoded, 1>>;

using Augment =
    ImageFunction<"augment", A, image::augment, "steps with valid numbers",
                  Bounded<"size", &A::size, 1, kMaxAugmentSide>,
                  Bounded<"steps", &A::steps, 0, kMaxAugmentSteps>, List<"list", &A::list, step_numbers>,
                  List<"pixels", &A::pixels, augmented_length>, List<"out", &A::out, augmented_length>>;

}  // namespace bind
}  // namespace horoball
