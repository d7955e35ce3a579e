// Crop, resize, crop again and mirror a picture of 8-bit channels in one pass, with the very bytes that PIL's
// bicubic resize gives. Pure C++: no Node, no core tables.
#pragma once

#include <cstdint>

namespace horoball::image {

// What a pixel's channels are; alpha is dropped, as PIL's convert('RGB') does.
enum class Layout : std::uint8_t { grey, grey_alpha, rgb, rgba, cmyk };

constexpr int channels(Layout layout) {
  constexpr int kChannels[] = {1, 2, 3, 4, 4};
  return kChannels[static_cast<int>(layout)];
}

struct ResampleArgs {
  std::int32_t width = 0, height = 0;  // of the picture
  Layout layout = Layout::rgb;
  const std::uint8_t* pixels = nullptr;                           // height x width x channels
  std::int32_t top = 0, left = 0, box_height = 0, box_width = 0;  // the part that is resized
  std::int32_t out_height = 0, out_width = 0;                     // what it is resized to
  std::int32_t window_top = 0, window_left = 0;                   // the part of that which is kept
  std::int32_t size = 0;                                          // side of the kept window
  bool flip = false;                                              // mirror the window left to right
  std::uint8_t* out = nullptr;                                    // size x size x 3, RGB
};

// All boxes lie inside what they are cut from, and nothing is empty.
bool consistent(const ResampleArgs& args);

void resample(const ResampleArgs& args);

}  // namespace horoball::image
