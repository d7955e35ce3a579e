// Decodes JPEG files with a decoder that is loaded at run time (native/torch/jpeg.cc). Pure C++: no Node, no core tables.
#pragma once

#include <cstddef>
#include <cstdint>

namespace horoball::image {

struct DecodeJpegArgs {
  std::int32_t width = 0, height = 0;  // of the image, from its header
  std::int32_t channels = 3;           // 1: gray, 3: RGB
  std::int32_t length = 0;             // of the file in bytes
  const std::uint8_t* file = nullptr;
  std::uint8_t* out = nullptr;      // the pixels, height x width x channels
  std::uint8_t* decoded = nullptr;  // set to 1; to 0 without a decoder, or if it does not accept the file
};

// Decodes a file of `length` bytes to `pixels`. Returns false if it is damaged, or not an image of this size.
using JpegDecoder = bool (*)(const std::uint8_t* file, std::size_t length, std::int32_t width,
                             std::int32_t height, std::int32_t channels, std::uint8_t* pixels);

// Sets the decoder that all environments (the main thread and workers) use.
void set_jpeg_decoder(JpegDecoder decoder);

bool consistent(const DecodeJpegArgs& args);

void decode_jpeg(const DecodeJpegArgs& args);

}  // namespace horoball::image
