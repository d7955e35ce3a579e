// Two vectors worked on as one. The formulas here are long chains of dependent instructions: with two of them
// interleaved the machine waits half as often.
#pragma once

#include "cpu/vec.h"

namespace horoball {
namespace {

template <class T>
struct Twin {
  using Scalar = T;
  using Half = Vec<T>;
  static constexpr int kLanes = 2 * Half::kLanes;
  struct Mask {
    typename Half::Mask a, b;
  };

  Half a, b;

  Twin() = default;
  Twin(Half first, Half second) : a(first), b(second) {}
  explicit Twin(T x) : a(x), b(x) {}

  static Twin load(const T* p) { return {Half::load(p), Half::load(p + Half::kLanes)}; }
  void store(T* p) const {
    a.store(p);
    b.store(p + Half::kLanes);
  }
  static Twin ramp() { return {Half::ramp(), Half::ramp() + Half(static_cast<T>(Half::kLanes))}; }

  HOROBALL_INLINE friend Twin operator+(Twin x, Twin y) { return {x.a + y.a, x.b + y.b}; }
  HOROBALL_INLINE friend Twin operator-(Twin x, Twin y) { return {x.a - y.a, x.b - y.b}; }
  HOROBALL_INLINE friend Twin operator*(Twin x, Twin y) { return {x.a * y.a, x.b * y.b}; }
  HOROBALL_INLINE friend Twin operator/(Twin x, Twin y) { return {x.a / y.a, x.b / y.b}; }
  HOROBALL_INLINE friend Twin operator-(Twin x) { return {-x.a, -x.b}; }
  HOROBALL_INLINE friend Mask operator<(Twin x, Twin y) { return {x.a < y.a, x.b < y.b}; }
  HOROBALL_INLINE friend Mask operator>(Twin x, Twin y) { return {x.a > y.a, x.b > y.b}; }
  HOROBALL_INLINE friend Mask operator==(Twin x, Twin y) { return {x.a == y.a, x.b == y.b}; }
};

template <class T>
HOROBALL_INLINE Twin<T> where(typename Twin<T>::Mask mask, Twin<T> yes, Twin<T> no) {
  return {where(mask.a, yes.a, no.a), where(mask.b, yes.b, no.b)};
}
template <class T>
HOROBALL_INLINE Twin<T> min(Twin<T> x, Twin<T> y) {
  return {min(x.a, y.a), min(x.b, y.b)};
}
template <class T>
HOROBALL_INLINE Twin<T> max(Twin<T> x, Twin<T> y) {
  return {max(x.a, y.a), max(x.b, y.b)};
}
template <class T>
HOROBALL_INLINE Twin<T> fma(Twin<T> x, Twin<T> y, Twin<T> z) {
  return {fma(x.a, y.a, z.a), fma(x.b, y.b, z.b)};
}
template <class T>
HOROBALL_INLINE Twin<T> sqrt(Twin<T> x) {
  return {sqrt(x.a), sqrt(x.b)};
}
template <class T>
HOROBALL_INLINE Twin<T> scaled(Twin<T> p, Twin<T> shifted) {
  return {scaled(p.a, shifted.a), scaled(p.b, shifted.b)};
}
template <class T>
HOROBALL_INLINE Split<Twin<T>> split(Twin<T> y) {
  const Split<Vec<T>> a = split(y.a), b = split(y.b);
  return {{a.k, b.k}, {a.scale, b.scale}};
}

// Whether any lane of a comparison of x's holds.
template <class T>
HOROBALL_INLINE bool any_lane(Vec<T>, typename Vec<T>::Mask mask) {
  return any(mask);
}
template <class T>
HOROBALL_INLINE bool any_lane(Twin<T>, typename Twin<T>::Mask mask) {
  return any(mask.a | mask.b);
}

// One vector's worth of sums.
template <class T>
HOROBALL_INLINE Vec<T> halved(Vec<T> x) {
  return x;
}
template <class T>
HOROBALL_INLINE Vec<T> halved(Twin<T> x) {
  return x.a + x.b;
}

}  // namespace
}  // namespace horoball
