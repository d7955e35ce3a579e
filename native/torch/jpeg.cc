// jpeg.so, which native/image/decode_jpeg.h uses: decodes JPEG files with the system's libjpeg-turbo. Compiled by `horoball
// setup` where libjpeg-turbo's headers are installed.
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include <jpeglib.h>

namespace {

struct Errors {
  jpeg_error_mgr manager;
  std::jmp_buf leave;
};

[[noreturn]] void leave(j_common_ptr jpeg) { std::longjmp(reinterpret_cast<Errors*>(jpeg->err)->leave, 1); }

// libjpeg calls this with level -1 for a warning, which means that the data is damaged.
void on_message(j_common_ptr jpeg, int level) {
  if (level < 0) leave(jpeg);
}

// Reads the header and starts to decompress. Returns false if the header does not describe a gray or color image of this
// size.
bool start(jpeg_decompress_struct& jpeg, JDIMENSION width, JDIMENSION height, int channels) {
  jpeg_read_header(&jpeg, TRUE);
  const bool gray = jpeg.jpeg_color_space == JCS_GRAYSCALE;
  const bool color = jpeg.jpeg_color_space == JCS_YCbCr || jpeg.jpeg_color_space == JCS_RGB;
  if (jpeg.image_width != width || jpeg.image_height != height || channels != (gray ? 1 : 3)) return false;
  if (!gray && !color) return false;
  jpeg.out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;  // the accurate integer DCT, as in PIL
  return jpeg_start_decompress(&jpeg) != FALSE;
}

}  // namespace

// Decodes a file to 8-bit pixels. Returns false if libjpeg finds damage, even minor, or if the file is not a gray or color
// image of this size.
extern "C" __attribute__((visibility("default"))) bool horoball_decode_jpeg(
    const std::uint8_t* file, std::size_t length, std::int32_t width, std::int32_t height,
    std::int32_t channels, std::uint8_t* pixels) {
  jpeg_decompress_struct jpeg{};
  Errors errors{};
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = leave;
  errors.manager.emit_message = on_message;
  // No object with a destructor is alive when longjmp returns here.
  if (setjmp(errors.leave) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file, static_cast<unsigned long>(length));
  const bool started = start(jpeg, static_cast<JDIMENSION>(width), static_cast<JDIMENSION>(height), channels);
  if (started) {
    const std::size_t pitch = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
    while (jpeg.output_scanline < jpeg.output_height) {
      constexpr JDIMENSION kRows = 4;  // the most that a call returns
      const JDIMENSION rest = jpeg.output_height - jpeg.output_scanline;
      const JDIMENSION count = rest < kRows ? rest : kRows;
      JSAMPROW rows[kRows];
      for (JDIMENSION i = 0; i < count; ++i) rows[i] = pixels + (jpeg.output_scanline + i) * pitch;
      jpeg_read_scanlines(&jpeg, rows, count);
    }
    jpeg_finish_decompress(&jpeg);
  }
  jpeg_destroy_decompress(&jpeg);
  return started;
}
