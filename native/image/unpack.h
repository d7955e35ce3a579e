// Converts a run of pixels of any layout to RGB, as PIL's convert('RGB') does, or blends them with a gray background.
#pragma once

#include <cstdint>

#include "resample.h"

namespace horoball::image {

// Returns x * y / 255, correctly rounded for 8-bit factors.
inline std::uint8_t scale_by(std::uint32_t x, std::uint32_t y) {
  const std::uint32_t product = x * y + 128;
  return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
}

// Blends a level with the background, rounded as in PIL's paste with a mask.
inline std::uint8_t blend(std::uint32_t level, std::uint32_t alpha, std::uint32_t background) {
  const std::uint32_t sum = level * alpha + background * (255 - alpha) + 128;
  return static_cast<std::uint8_t>((sum + (sum >> 8)) >> 8);
}

// Converts pixels whose last channel is alpha, blended with a gray background.
inline void unpack_over(Layout layout, std::uint32_t background, const std::uint8_t* from, std::int32_t count,
                        std::uint8_t* out, int step) {
  const bool gray = layout == Layout::gray_alpha;
  const int stride = channels(layout);
  for (std::int32_t i = 0; i < count; ++i, from += stride, out += step) {
    const std::uint32_t alpha = from[stride - 1];
    for (int c = 0; c < 3; ++c) out[c] = blend(from[gray ? 0 : c], alpha, background);
  }
}

// Writes pixel i's red, green and blue to out[i * step + 0, 1, 2].
inline void unpack(Layout layout, const std::uint8_t* from, std::int32_t count, std::uint8_t* out, int step) {
  const int stride = channels(layout);
  switch (layout) {
    case Layout::gray:
    case Layout::gray_alpha:
      for (std::int32_t i = 0; i < count; ++i, from += stride, out += step)
        out[0] = out[1] = out[2] = from[0];
      return;
    case Layout::rgb:
    case Layout::rgba:
      for (std::int32_t i = 0; i < count; ++i, from += stride, out += step) {
        out[0] = from[0];
        out[1] = from[1];
        out[2] = from[2];
      }
      return;
    case Layout::cmyk:  // no color management: each channel is (255 - black)(255 - ink)/255
      for (std::int32_t i = 0; i < count; ++i, from += stride, out += step) {
        const std::uint32_t light = 255 - from[3];
        for (int c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>(light - scale_by(from[c], light));
      }
      return;
  }
}

}  // namespace horoball::image
