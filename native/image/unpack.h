// A run of pixels as RGB, whatever their layout, as PIL's convert('RGB') gives them.
#pragma once

#include <cstdint>

#include "resample.h"

namespace horoball::image {

// x * y / 255, rounded: exact for 8-bit factors.
inline std::uint8_t scale_by(std::uint32_t x, std::uint32_t y) {
  const std::uint32_t product = x * y + 128;
  return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
}

// Writes pixel i's red, green and blue to out[i * step + 0, 1, 2].
inline void unpack(Layout layout, const std::uint8_t* from, std::int32_t count, std::uint8_t* out, int step) {
  const int stride = channels(layout);
  switch (layout) {
    case Layout::grey:
    case Layout::grey_alpha:
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
    case Layout::cmyk:  // no colour management: ink removes its share of the light that black lets through
      for (std::int32_t i = 0; i < count; ++i, from += stride, out += step) {
        const std::uint32_t light = 255 - from[3];
        for (int c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>(light - scale_by(from[c], light));
      }
      return;
  }
}

}  // namespace horoball::image
