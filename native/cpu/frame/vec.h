// The vector of one ISA level: as many numbers as a register holds, with the operations that the kernels need.
// Arithmetic uses the compiler's vector extensions; intrinsics are used only for instructions that compilers do
// not generate from them.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

namespace horoball {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

// Constants of the IEEE format of T, and the compiler's vector types.
template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Int = std::int32_t;
  typedef float Raw __attribute__((vector_size(kVectorBytes)));
  typedef float Loose __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  typedef Int Mask __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissa = 23;
  static constexpr Int kOne = 0x3f800000, kTwoThirds = 0x3f2aaaab;
  static constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
  static constexpr float kHuge = 1e36f;
};
template <>
struct Bits<double> {
  using Int = std::int64_t;
  typedef double Raw __attribute__((vector_size(kVectorBytes)));
  typedef double Loose __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
  typedef Int Mask __attribute__((vector_size(kVectorBytes)));
  static constexpr int kMantissa = 52;
  static constexpr Int kOne = 0x3ff0000000000000, kTwoThirds = 0x3fe5555555555555;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kHuge = 1e306;
};

// HOROBALL_INLINE marks formulas over vectors, which are long and must compile to one sequence of instructions without
// calls.
#define HOROBALL_INLINE [[gnu::always_inline]] inline
#define HOROBALL_LAMBDA __attribute__((always_inline))

template <class T>
struct Vec {
  using Scalar = T;
  using Raw = typename Bits<T>::Raw;
  using Mask = typename Bits<T>::Mask;  // the result of a comparison: 0 or -1 per lane
  static constexpr int kLanes = kVectorBytes / sizeof(T);

  Raw raw;

  Vec() = default;
  Vec(Raw r) : raw(r) {}
  explicit Vec(T x) : raw(x - Raw{}) {}

  static Vec load(const T* p) { return Raw(*reinterpret_cast<const typename Bits<T>::Loose*>(p)); }
  void store(T* p) const { *reinterpret_cast<typename Bits<T>::Loose*>(p) = raw; }

  // Loads `count` numbers into the first lanes, and sets the others to 0.
  static Vec load(const T* p, int count) {
    Vec v{Raw{}};
    std::memcpy(&v.raw, p, static_cast<std::size_t>(count) * sizeof(T));
    return v;
  }
  void store(T* p, int count) const { std::memcpy(p, &raw, static_cast<std::size_t>(count) * sizeof(T)); }

  // 0, 1, 2, ...
  static Vec ramp() {
    static constexpr T kRamp[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return load(kRamp);
  }

  HOROBALL_INLINE friend Vec operator+(Vec a, Vec b) { return a.raw + b.raw; }
  HOROBALL_INLINE friend Vec operator-(Vec a, Vec b) { return a.raw - b.raw; }
  HOROBALL_INLINE friend Vec operator*(Vec a, Vec b) { return a.raw * b.raw; }
  HOROBALL_INLINE friend Vec operator/(Vec a, Vec b) { return a.raw / b.raw; }
  HOROBALL_INLINE friend Vec operator-(Vec a) { return -a.raw; }
  HOROBALL_INLINE friend Mask operator<(Vec a, Vec b) { return a.raw < b.raw; }
  HOROBALL_INLINE friend Mask operator<=(Vec a, Vec b) { return a.raw <= b.raw; }
  HOROBALL_INLINE friend Mask operator>(Vec a, Vec b) { return a.raw > b.raw; }
  HOROBALL_INLINE friend Mask operator>=(Vec a, Vec b) { return a.raw >= b.raw; }
  HOROBALL_INLINE friend Mask operator==(Vec a, Vec b) { return a.raw == b.raw; }
};

template <class T>
HOROBALL_INLINE Vec<T> where(typename Vec<T>::Mask mask, Vec<T> yes, Vec<T> no) {
  return mask ? yes.raw : no.raw;
}

// Returns the second argument if either is NaN, as the x86 instruction does. Uses intrinsics, because compilers emit two
// instructions for a comparison and a selection.
template <class T>
HOROBALL_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_maskz_min_ps(0xffff, a.raw, b.raw);
  if constexpr (sizeof(T) == 8) return _mm512_maskz_min_pd(0xff, a.raw, b.raw);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) return _mm256_min_ps(a.raw, b.raw);
  if constexpr (sizeof(T) == 8) return _mm256_min_pd(a.raw, b.raw);
#elif defined(__wasm_simd128__)
  if constexpr (sizeof(T) == 4) return typename Vec<T>::Raw(wasm_f32x4_pmin(v128_t(b.raw), v128_t(a.raw)));
  if constexpr (sizeof(T) == 8) return typename Vec<T>::Raw(wasm_f64x2_pmin(v128_t(b.raw), v128_t(a.raw)));
#else
  return a.raw < b.raw ? a.raw : b.raw;
#endif
}
template <class T>
HOROBALL_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_maskz_max_ps(0xffff, a.raw, b.raw);
  if constexpr (sizeof(T) == 8) return _mm512_maskz_max_pd(0xff, a.raw, b.raw);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) return _mm256_max_ps(a.raw, b.raw);
  if constexpr (sizeof(T) == 8) return _mm256_max_pd(a.raw, b.raw);
#elif defined(__wasm_simd128__)
  if constexpr (sizeof(T) == 4) return typename Vec<T>::Raw(wasm_f32x4_pmax(v128_t(b.raw), v128_t(a.raw)));
  if constexpr (sizeof(T) == 8) return typename Vec<T>::Raw(wasm_f64x2_pmax(v128_t(b.raw), v128_t(a.raw)));
#else
  return a.raw > b.raw ? a.raw : b.raw;
#endif
}

// a b + c, rounded once if the level has the instruction.
HOROBALL_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a.raw, b.raw, c.raw);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a.raw, b.raw, c.raw);
#elif defined(__aarch64__)
  return vfmaq_f32(c.raw, a.raw, b.raw);
#else
  return a.raw * b.raw + c.raw;
#endif
}
HOROBALL_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a.raw, b.raw, c.raw);
#elif defined(__FMA__)
  return _mm256_fmadd_pd(a.raw, b.raw, c.raw);
#elif defined(__aarch64__)
  return vfmaq_f64(c.raw, a.raw, b.raw);
#else
  return a.raw * b.raw + c.raw;
#endif
}

HOROBALL_INLINE Vec<float> sqrt(Vec<float> a) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, a.raw);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(a.raw);
#elif defined(__aarch64__)
  return vsqrtq_f32(a.raw);
#elif defined(__wasm_simd128__)
  return Vec<float>::Raw(wasm_f32x4_sqrt(v128_t(a.raw)));
#else
  return _mm_sqrt_ps(a.raw);
#endif
}
HOROBALL_INLINE Vec<double> sqrt(Vec<double> a) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_pd(0xff, a.raw);
#elif defined(__AVX2__)
  return _mm256_sqrt_pd(a.raw);
#elif defined(__aarch64__)
  return vsqrtq_f64(a.raw);
#elif defined(__wasm_simd128__)
  return Vec<double>::Raw(wasm_f64x2_sqrt(v128_t(a.raw)));
#else
  return _mm_sqrt_pd(a.raw);
#endif
}

// Whether a comparison holds in any lane. MaskRaw is a Vec<T>::Mask, from which T cannot be deduced.
template <class MaskRaw>
HOROBALL_INLINE bool any(MaskRaw mask) {
#if defined(__AVX512F__)
  const __m512i bits = reinterpret_cast<__m512i>(mask);
  return _mm512_test_epi32_mask(bits, bits) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32(reinterpret_cast<uint32x4_t>(mask)) != 0;
#elif defined(__wasm_simd128__)
  return wasm_v128_any_true(v128_t(mask));
#else
  return _mm_movemask_epi8(reinterpret_cast<__m128i>(mask)) != 0;
#endif
}

// Returns a bit mask of the lanes in which a comparison holds.
template <class T>
HOROBALL_INLINE unsigned bits_of(Vec<T>, typename Vec<T>::Mask mask) {
#if defined(__AVX512F__)
  const __m512i raw = reinterpret_cast<__m512i>(mask);
  return sizeof(T) == 4 ? _mm512_test_epi32_mask(raw, raw) : _mm512_test_epi64_mask(raw, raw);
#elif defined(__wasm_simd128__)
  return sizeof(T) == 4 ? wasm_i32x4_bitmask(v128_t(mask)) : wasm_i64x2_bitmask(v128_t(mask));
#else
  unsigned bits = 0;
  for (int l = 0; l < Vec<T>::kLanes; ++l) bits |= mask[l] != 0 ? 1u << l : 0u;
  return bits;
#endif
}

// Returns the lanes rotated down: lane i + kBy moves to lane i.
template <int kBy, class T, int... i>
HOROBALL_INLINE Vec<T> rotated(Vec<T> v, std::integer_sequence<int, i...>) {
  return typename Vec<T>::Raw(__builtin_shufflevector(v.raw, v.raw, (i + kBy) % Vec<T>::kLanes...));
}

// Reduces the lanes with `op`: combines the two halves, then the halves of the result, and so on. Every lane of the
// returned vector has the result.
template <int kHalf, class T, class Fold>
HOROBALL_INLINE Vec<T> fold(Vec<T> v, Fold op) {
  if constexpr (kHalf == 0) {
    return v;
  } else {
    return fold<kHalf / 2>(op(v, rotated<kHalf>(v, std::make_integer_sequence<int, Vec<T>::kLanes>{})), op);
  }
}
template <class T>
HOROBALL_INLINE T sum(Vec<T> v) {
  return fold<Vec<T>::kLanes / 2>(v, [](Vec<T> a, Vec<T> b) { return a + b; }).raw[0];
}
template <class T>
HOROBALL_INLINE T least(Vec<T> v) {
  return fold<Vec<T>::kLanes / 2>(v, [](Vec<T> a, Vec<T> b) { return min(a, b); }).raw[0];
}
template <class T>
HOROBALL_INLINE T most(Vec<T> v) {
  return fold<Vec<T>::kLanes / 2>(v, [](Vec<T> a, Vec<T> b) { return max(a, b); }).raw[0];
}

// Returns p 2^n, where `shifted` is n + kRounder. The result must be a normal number.
template <class T>
HOROBALL_INLINE Vec<T> scaled(Vec<T> p, Vec<T> shifted) {
  using Mask = typename Vec<T>::Mask;
  const Mask exponent = reinterpret_cast<Mask>(shifted.raw) << Bits<T>::kMantissa;
  return reinterpret_cast<typename Vec<T>::Raw>(reinterpret_cast<Mask>(p.raw) + exponent);
}

// For y = 2^k m with m in [2/3, 4/3): k, and scale = 2^-k.
template <class V>
struct Split {
  V k, scale;
};
template <class T>
HOROBALL_INLINE Split<Vec<T>> split(Vec<T> y) {
  using Raw = typename Vec<T>::Raw;
  const auto exponent =
      (reinterpret_cast<typename Vec<T>::Mask>(y.raw) - Bits<T>::kTwoThirds) >> Bits<T>::kMantissa;
  const auto scale = Bits<T>::kOne - (exponent << Bits<T>::kMantissa);
  return {Vec<T>(__builtin_convertvector(exponent, Raw)), Vec<T>(reinterpret_cast<Raw>(scale))};
}

}  // namespace
}  // namespace horoball
