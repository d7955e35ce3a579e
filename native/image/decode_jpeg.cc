#include "decode_jpeg.h"

#include <atomic>

namespace horoball::image {
namespace {

std::atomic<JpegDecoder> current{nullptr};

}  // namespace

void set_jpeg_decoder(JpegDecoder decoder) { current = decoder; }

bool consistent(const DecodeJpegArgs& args) {
  return args.width > 0 && args.height > 0 && (args.channels == 1 || args.channels == 3) &&
         args.file != nullptr && args.out != nullptr && args.decoded != nullptr;
}

void decode_jpeg(const DecodeJpegArgs& args) {
  const JpegDecoder decoder = current;
  const bool decoded = decoder != nullptr && decoder(args.file, static_cast<std::size_t>(args.length),
                                                     args.width, args.height, args.channels, args.out);
  *args.decoded = decoded ? 1 : 0;
}

}  // namespace horoball::image
