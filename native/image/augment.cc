#include "augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace horoball::image {
namespace {

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
// A lookup table from the input level to the output level.
using Levels = std::array<Byte, 256>;
using Counts = std::array<std::int64_t, 256>;

struct View {
  Byte* data;
  std::int32_t size;
  std::size_t pixels() const { return static_cast<std::size_t>(size) * static_cast<std::size_t>(size); }
  std::size_t length() const { return 3 * pixels(); }
};

Byte clip8(int value) { return static_cast<Byte>(std::clamp(value, 0, 255)); }

// Returns the gray level of a pixel, as Pillow's convert('L') does.
int gray(const Byte* rgb) {
  return static_cast<int>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

// Blends two levels like Image.blend, in the float arithmetic of Pillow. For a factor outside [0, 1], the result is clipped.
Byte blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  if (factor >= 0 && factor <= 1) return static_cast<Byte>(value);
  return value <= 0 ? 0 : value >= 255 ? 255 : static_cast<Byte>(value);
}

// Blends every channel with the level that `from` returns for its position. A factor of 1 changes nothing.
template <class From>
void enhance(View image, float factor, From from) {
  if (factor == 1) return;
  for (std::size_t i = 0; i < image.length(); ++i) image.data[i] = blend(from(i), image.data[i], factor);
}

void brightness(View image, float factor) {
  enhance(image, factor, [](std::size_t) { return 0; });
}

void contrast(View image, float factor) {
  std::int64_t sum = 0;
  for (std::size_t p = 0; p < image.pixels(); ++p) sum += gray(image.data + 3 * p);
  const auto mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(image.pixels()) + 0.5);
  enhance(image, factor, [mean](std::size_t) { return mean; });
}

void color(View image, float factor) {
  if (factor == 1) return;
  for (std::size_t p = 0; p < image.pixels(); ++p) {
    Byte* rgb = image.data + 3 * p;
    const int level = gray(rgb);
    for (int k = 0; k < 3; ++k) rgb[k] = blend(level, rgb[k], factor);
  }
}

// Smooths an image like ImageFilter.SMOOTH: a 3 x 3 kernel with weights of 5/13 in the center and 1/13 around it; the border
// is unchanged. A sum of 13ths is never halfway between two integers, so integer arithmetic rounds as Pillow's floats do.
Bytes smoothed(View image) {
  Bytes out(image.data, image.data + image.length());
  const std::ptrdiff_t pitch = 3 * static_cast<std::ptrdiff_t>(image.size);
  for (std::int32_t y = 1; y + 1 < image.size; ++y) {
    for (std::ptrdiff_t j = 3; j + 3 < pitch; ++j) {
      const Byte* at = image.data + y * pitch + j;
      int sum = 4 * at[0];
      for (const std::ptrdiff_t row : {-pitch, std::ptrdiff_t{0}, pitch})
        sum += at[row - 3] + at[row] + at[row + 3];
      out[static_cast<std::size_t>(y * pitch + j)] = static_cast<Byte>((2 * sum + 13) / 26);
    }
  }
  return out;
}

void sharpness(View image, float factor) {
  const Bytes smooth = smoothed(image);
  enhance(image, factor, [&smooth](std::size_t i) { return smooth[i]; });
}

struct Hsv {
  Byte h, s, v;
};

// Converts a pixel to HSV, like Pillow's rgb2hsv, with its mixture of float and double.
Hsv hsv_of(const Byte* rgb) {
  const Byte r = rgb[0];
  const Byte g = rgb[1];
  const Byte b = rgb[2];
  const Byte high = std::max({r, g, b});
  const Byte low = std::min({r, g, b});
  if (high == low) return {0, 0, high};
  const auto range = static_cast<float>(high - low);
  const float s = range / static_cast<float>(high);
  const float rc = static_cast<float>(high - r) / range;
  const float gc = static_cast<float>(high - g) / range;
  const float bc = static_cast<float>(high - b) / range;
  float h = 0;
  if (r == high) {
    h = bc - gc;
  } else if (g == high) {
    h = static_cast<float>(2.0 + rc - bc);
  } else {
    h = static_cast<float>(4.0 + gc - rc);
  }
  h = static_cast<float>(std::fmod(h / 6.0 + 1.0, 1.0));
  return {clip8(static_cast<int>(h * 255.0)), clip8(static_cast<int>(s * 255.0)), high};
}

// Writes a pixel from HSV, like Pillow's hsv2rgb.
void put_hsv(Hsv hsv, Byte* rgb) {
  const Byte v = hsv.v;
  if (hsv.s == 0) {
    std::fill_n(rgb, 3, v);
    return;
  }
  const auto sector = static_cast<int>(std::floor(static_cast<float>(hsv.h) * 6.0 / 255.0));
  const auto f = static_cast<float>(static_cast<float>(hsv.h) * 6.0 / 255.0 - static_cast<float>(sector));
  const auto s = static_cast<float>(static_cast<float>(hsv.s) / 255.0);
  const auto level = [v](double share) {
    return clip8(static_cast<int>(std::round(static_cast<float>(v) * share)));
  };
  const Byte p = level(1.0 - s);
  const Byte q = level(1.0 - s * f);
  const Byte t = level(1.0 - s * (1.0 - f));
  const Byte sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
  std::copy_n(sectors[sector % 6], 3, rgb);
}

void hue(View image, int shift) {
  for (std::size_t p = 0; p < image.pixels(); ++p) {
    Hsv hsv = hsv_of(image.data + 3 * p);
    hsv.h = static_cast<Byte>(hsv.h + shift);
    put_hsv(hsv, image.data + 3 * p);
  }
}

// Replaces the levels of one channel.
void apply(View image, int channel, const Levels& levels) {
  for (std::size_t p = 0; p < image.pixels(); ++p) {
    Byte& value = image.data[3 * p + static_cast<std::size_t>(channel)];
    value = levels[value];
  }
}

void posterize(View image, int bits) {
  const int mask = ~((1 << (8 - bits)) - 1);
  for (std::size_t i = 0; i < image.length(); ++i) image.data[i] = static_cast<Byte>(image.data[i] & mask);
}

void solarize(View image, double threshold) {
  for (std::size_t i = 0; i < image.length(); ++i)
    if (image.data[i] >= threshold) image.data[i] = static_cast<Byte>(255 - image.data[i]);
}

Counts counts_of(View image, int channel) {
  Counts counts{};
  for (std::size_t p = 0; p < image.pixels(); ++p)
    ++counts[image.data[3 * p + static_cast<std::size_t>(channel)]];
  return counts;
}

void auto_contrast(View image) {
  for (int channel = 0; channel < 3; ++channel) {
    const Counts counts = counts_of(image, channel);
    const auto occurs = [](std::int64_t count) { return count > 0; };
    const auto low = std::find_if(counts.begin(), counts.end(), occurs) - counts.begin();
    const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), occurs) - counts.rbegin());
    if (high <= low) continue;
    const double scale = 255.0 / static_cast<double>(high - low);
    const double offset = -static_cast<double>(low) * scale;
    Levels levels;
    for (int i = 0; i < 256; ++i)
      levels[static_cast<std::size_t>(i)] = clip8(static_cast<int>(i * scale + offset));
    apply(image, channel, levels);
  }
}

void equalize(View image) {
  for (int channel = 0; channel < 3; ++channel) {
    const Counts counts = counts_of(image, channel);
    const auto kinds = std::count_if(counts.begin(), counts.end(), [](auto count) { return count > 0; });
    const auto last = *std::find_if(counts.rbegin(), counts.rend(), [](auto count) { return count > 0; });
    const std::int64_t step = (static_cast<std::int64_t>(image.pixels()) - last) / 255;
    if (kinds <= 1 || step == 0) continue;
    Levels levels;
    std::int64_t n = step / 2;
    for (std::size_t i = 0; i < 256; ++i) {
      levels[i] = static_cast<Byte>(std::min<std::int64_t>(n / step, 255));
      n += counts[i];
    }
    apply(image, channel, levels);
  }
}

// Transforms an image like Pillow's affine transform with nearest-neighbor resampling, in fixed-point arithmetic with 16
// fractional bits.
void affine(View image, const double* a) {
  const Bytes from(image.data, image.data + image.length());
  const auto fixed = [](double value) {
    return static_cast<std::int64_t>(std::floor(value * 65536.0 + 0.5));
  };
  const std::int64_t right[2] = {fixed(a[0]), fixed(a[3])};
  const std::int64_t down[2] = {fixed(a[1]), fixed(a[4])};
  std::int64_t row[2] = {fixed(a[2] + a[0] * 0.5 + a[1] * 0.5), fixed(a[5] + a[3] * 0.5 + a[4] * 0.5)};
  std::fill_n(image.data, image.length(), Byte{0});
  Byte* to = image.data;
  for (std::int32_t y = 0; y < image.size; ++y) {
    std::int64_t at[2] = {row[0], row[1]};
    for (std::int32_t x = 0; x < image.size; ++x, to += 3) {
      const std::int64_t i = at[0] >> 16;
      const std::int64_t j = at[1] >> 16;
      if (i >= 0 && i < image.size && j >= 0 && j < image.size)
        std::copy_n(from.data() + 3 * (j * image.size + i), 3, to);
      for (int k = 0; k < 2; ++k) at[k] += right[k];
    }
    for (int k = 0; k < 2; ++k) row[k] += down[k];
  }
}

void erase(View image, const double* n) {
  for (auto y = static_cast<std::int32_t>(n[0]); y < static_cast<std::int32_t>(n[0] + n[2]); ++y) {
    for (auto x = static_cast<std::int32_t>(n[1]); x < static_cast<std::int32_t>(n[1] + n[3]); ++x) {
      Byte* rgb = image.data + 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.size) +
                                    static_cast<std::size_t>(x));
      for (int k = 0; k < 3; ++k) rgb[k] = static_cast<Byte>(n[4 + k]);
    }
  }
}

void apply_step(View image, const double* step) {
  const double* n = step + 1;
  const auto factor = static_cast<float>(n[0]);
  switch (static_cast<Operation>(step[0])) {
    case Operation::affine:
      return affine(image, n);
    case Operation::brightness:
      return brightness(image, factor);
    case Operation::color:
      return color(image, factor);
    case Operation::contrast:
      return contrast(image, factor);
    case Operation::sharpness:
      return sharpness(image, factor);
    case Operation::hue:
      return hue(image, static_cast<int>(n[0]));
    case Operation::posterize:
      return posterize(image, static_cast<int>(n[0]));
    case Operation::solarize:
      return solarize(image, n[0]);
    case Operation::auto_contrast:
      return auto_contrast(image);
    case Operation::equalize:
      return equalize(image);
    case Operation::erase:
      return erase(image, n);
  }
}

bool whole(double value, double low, double high) {
  return value >= low && value <= high && value == std::trunc(value);
}

// Bounds the numbers of a step, which keeps fixed-point coordinates far from an overflow.
constexpr double kMaxEntry = 1 << 24;

bool consistent_step(const double* step, double size) {
  if (!whole(step[0], 0, static_cast<double>(Operation::erase))) return false;
  const double* n = step + 1;
  switch (static_cast<Operation>(step[0])) {
    case Operation::affine:
      return std::all_of(n, n + 6, [](double value) { return std::abs(value) <= kMaxEntry; });
    case Operation::brightness:
    case Operation::color:
    case Operation::contrast:
    case Operation::sharpness:
    case Operation::solarize:
      return n[0] >= 0 && n[0] <= kMaxEntry;
    case Operation::hue:
      return whole(n[0], 0, 255);
    case Operation::posterize:
      return whole(n[0], 0, 8);
    case Operation::auto_contrast:
    case Operation::equalize:
      return true;
    case Operation::erase:
      return whole(n[0], 0, size) && whole(n[1], 0, size) && whole(n[2], 0, size - n[0]) &&
             whole(n[3], 0, size - n[1]) &&
             std::all_of(n + 4, n + 7, [](double value) { return whole(value, 0, 255); });
  }
  return false;
}

}  // namespace

bool consistent(const AugmentArgs& a) {
  if (a.size < 1 || a.pixels == nullptr || a.out == nullptr || (a.steps > 0 && a.list == nullptr))
    return false;
  for (std::int32_t i = 0; i < a.steps; ++i)
    if (!consistent_step(a.list + kStepLength * static_cast<std::ptrdiff_t>(i), a.size)) return false;
  return true;
}

void augment(const AugmentArgs& a) {
  const View image{a.out, a.size};
  if (a.out != a.pixels) std::copy_n(a.pixels, image.length(), a.out);
  for (std::int32_t i = 0; i < a.steps; ++i)
    apply_step(image, a.list + kStepLength * static_cast<std::ptrdiff_t>(i));
}

}  // namespace horoball::image
