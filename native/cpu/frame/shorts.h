// Vectors of 16-bit integers: products of 8-bit codes with 16-bit queries, summed exactly in 32 bits.
#pragma once

#include "cpu/frame/vec.h"

namespace horoball {
namespace {

// Shorts has twice as many lanes as Vec<float>.
typedef std::int16_t Shorts __attribute__((vector_size(kVectorBytes)));
typedef std::int32_t Ints __attribute__((vector_size(kVectorBytes)));

// Loads half a register of bytes and widens them to 16 bits. Uses intrinsics, because gcc 12 would widen the bytes in two
// parts, with five instructions.
HOROBALL_INLINE Shorts load_bytes(const std::int8_t* p) {
#if defined(__AVX512F__)
  return Shorts(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  return Shorts(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  typedef std::int8_t Bytes __attribute__((vector_size(kVectorBytes / 2), aligned(1), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Bytes*>(p), Shorts);
#endif
}

// Broadcasts a pair of adjacent numbers to all pairs of lanes.
HOROBALL_INLINE Shorts broadcast_pair(const std::int16_t* p) {
  std::int32_t pair;
  std::memcpy(&pair, p, sizeof pair);
  return reinterpret_cast<Shorts>(pair - Ints{});
}

// a[0] b[0] + a[1] b[1], a[2] b[2] + a[3] b[3], ...
HOROBALL_INLINE Ints pair_products(Shorts a, Shorts b) {
#if defined(__AVX512F__)
  return Ints(_mm512_madd_epi16(__m512i(a), __m512i(b)));
#elif defined(__AVX2__)
  return Ints(_mm256_madd_epi16(__m256i(a), __m256i(b)));
#elif defined(__aarch64__)
  return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
#elif defined(__wasm_simd128__)
  return Ints(wasm_i32x4_dot_i16x8(v128_t(a), v128_t(b)));
#else
  return Ints(_mm_madd_epi16(__m128i(a), __m128i(b)));
#endif
}

HOROBALL_INLINE Vec<float> to_floats(Ints v) { return __builtin_convertvector(v, Vec<float>::Raw); }

}  // namespace
}  // namespace horoball
