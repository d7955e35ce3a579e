// A pair of vectors processed together. The formulas are long chains of dependent instructions; interleaving two of
// them hides half of the latency.
#pragma once

#include "cpu/frame/vec.h"

namespace horoball {
namespace {

template <class T>
struct VecPair {
  using Scalar = T;
  using Half = Vec<T>;
  static constexpr int kLanes = 2 * Half::kLanes;
  struct Mask {
    typename Half::Mask a, b;
  };

  Half a, b;

  VecPair() = default;
  VecPair(Half first, Half second) : a(first), b(second) {}
  explicit VecPair(T x) : a(x), b(x) {}

  static VecPair load(const T* p) { return {Half::load(p), Half::load(p + Half::kLanes)}; }
  void store(T* p) const {
    a.store(p);
    b.store(p + Half::kLanes);
  }
  static VecPair ramp() { return {Half::ramp(), Half::ramp() + Half(static_cast<T>(Half::kLanes))}; }

  HOROBALL_INLINE friend VecPair operator+(VecPair x, VecPair y) { return {x.a + y.a, x.b + y.b}; }
  HOROBALL_INLINE friend VecPair operator-(VecPair x, VecPair y) { return {x.a - y.a, x.b - y.b}; }
  HOROBALL_INLINE friend VecPair operator*(VecPair x, VecPair y) { return {x.a * y.a, x.b * y.b}; }
  HOROBALL_INLINE friend VecPair operator/(VecPair x, VecPair y) { return {x.a / y.a, x.b / y.b}; }
  HOROBALL_INLINE friend VecPair operator-(VecPair x) { return {-x.a, -x.b}; }
  HOROBALL_INLINE friend Mask operator<(VecPair x, VecPair y) { return {x.a < y.a, x.b < y.b}; }
  HOROBALL_INLINE friend Mask operator>(VecPair x, VecPair y) { return {x.a > y.a, x.b > y.b}; }
  HOROBALL_INLINE friend Mask operator==(VecPair x, VecPair y) { return {x.a == y.a, x.b == y.b}; }
};

template <class T>
HOROBALL_INLINE VecPair<T> where(typename VecPair<T>::Mask mask, VecPair<T> yes, VecPair<T> no) {
  return {where(mask.a, yes.a, no.a), where(mask.b, yes.b, no.b)};
}
template <class T>
HOROBALL_INLINE VecPair<T> min(VecPair<T> x, VecPair<T> y) {
  return {min(x.a, y.a), min(x.b, y.b)};
}
template <class T>
HOROBALL_INLINE VecPair<T> max(VecPair<T> x, VecPair<T> y) {
  return {max(x.a, y.a), max(x.b, y.b)};
}
template <class T>
HOROBALL_INLINE VecPair<T> fma(VecPair<T> x, VecPair<T> y, VecPair<T> z) {
  return {fma(x.a, y.a, z.a), fma(x.b, y.b, z.b)};
}
template <class T>
HOROBALL_INLINE VecPair<T> sqrt(VecPair<T> x) {
  return {sqrt(x.a), sqrt(x.b)};
}
template <class T>
HOROBALL_INLINE VecPair<T> scaled(VecPair<T> p, VecPair<T> shifted) {
  return {scaled(p.a, shifted.a), scaled(p.b, shifted.b)};
}
template <class T>
HOROBALL_INLINE Split<VecPair<T>> split(VecPair<T> y) {
  const Split<Vec<T>> a = split(y.a), b = split(y.b);
  return {{a.k, b.k}, {a.scale, b.scale}};
}

// Whether a comparison holds in any lane.
template <class T>
HOROBALL_INLINE bool any_lane(Vec<T>, typename Vec<T>::Mask mask) {
  return any(mask);
}
template <class T>
HOROBALL_INLINE bool any_lane(VecPair<T>, typename VecPair<T>::Mask mask) {
  return any(mask.a | mask.b);
}

// Returns the sum of the two vectors of a pair, or a single vector unchanged.
template <class T>
HOROBALL_INLINE Vec<T> folded(Vec<T> x) {
  return x;
}
template <class T>
HOROBALL_INLINE Vec<T> folded(VecPair<T> x) {
  return x.a + x.b;
}

}  // namespace
}  // namespace horoball
