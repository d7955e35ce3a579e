// Applies a list of operations to a square RGB image with 8-bit channels. Results equal those of Pillow, which torchvision
// calls, byte for byte. Pure C++: no Node, no core tables.
#pragma once

#include <cstdint>

namespace horoball::image {

// The operations, in the order of `operations` in lib/image/augment.ts.
enum class Operation : std::uint8_t {
  affine,         // Image.transform, nearest neighbor: six numbers map output to input; black outside
  brightness,     // ImageEnhance.Brightness: a factor
  color,          // ImageEnhance.Color: a factor
  contrast,       // ImageEnhance.Contrast: a factor
  sharpness,      // ImageEnhance.Sharpness: a factor
  hue,            // the H of HSV plus a number from 0 to 255, modulo 256
  posterize,      // ImageOps.posterize: the bits to keep, from 0 to 8
  solarize,       // ImageOps.solarize: a threshold
  auto_contrast,  // ImageOps.autocontrast
  equalize,       // ImageOps.equalize
  erase           // fills a rectangle: top, left, height, width and three levels
};

// A step is an operation followed by its numbers; the remaining entries are unused.
constexpr int kStepLength = 8;

struct AugmentArgs {
  std::int32_t size = 0;                 // side of the image
  std::int32_t steps = 0;                // number of steps
  const double* list = nullptr;          // steps x kStepLength
  const std::uint8_t* pixels = nullptr;  // size x size x 3, RGB
  std::uint8_t* out = nullptr;           // the result; may be `pixels`
};

// Whether the size is positive, the arrays are given, and every step is an operation with numbers that it accepts.
bool consistent(const AugmentArgs& args);

void augment(const AugmentArgs& args);

}  // namespace horoball::image
