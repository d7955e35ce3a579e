// Crops, resizes, crops again and flips an image with 8 bits per channel in one call. Resizing matches PIL's bicubic
// filter byte for byte. Pure C++: no Node, no core tables.
#pragma once

#include <cstdint>

namespace horoball::image {

// The channels of a pixel.
enum class Layout : std::uint8_t { gray, gray_alpha, rgb, rgba, cmyk };

constexpr int channels(Layout layout) {
  constexpr int kChannels[] = {1, 2, 3, 4, 4};
  return kChannels[static_cast<int>(layout)];
}

// The value of `background` that drops alpha, as PIL's convert('RGB') does.
constexpr std::int32_t kDropAlpha = -1;

struct ResampleArgs {
  std::int32_t width = 0, height = 0;  // of the image
  Layout layout = Layout::rgb;
  const std::uint8_t* pixels = nullptr;                           // height x width x channels
  std::int32_t background = kDropAlpha;                           // gray level to blend with
  std::int32_t top = 0, left = 0, box_height = 0, box_width = 0;  // the part that is resized
  std::int32_t out_height = 0, out_width = 0;                     // the size that it is resized to
  std::int32_t window_top = 0, window_left = 0;                   // the part of the resized box that is kept
  std::int32_t size = 0;                                          // side of the kept window
  bool flip = false;                                              // mirror the window left to right
  std::uint8_t* out = nullptr;                                    // size x size x 3, RGB
};

// Whether the arrays are given, the background is valid, and every box is nonempty and within the image or box that it is
// cropped from.
bool consistent(const ResampleArgs& args);

void resample(const ResampleArgs& args);

}  // namespace horoball::image
