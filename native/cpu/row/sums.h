// Sums over a row and combinations of the vectors of a row, float32 or float64 in memory and float64 in registers. Sums have a
// fixed order; squared norms of float64 rows are compensated (Ogita, Rump and Oishi 2005), because the accuracy of
// 1 - c|x|^2 near the rim is limited by the accuracy of the norms. Products of float32 are exact in float64 and need no
// compensation.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/frame/vec.h"
#include "ops/row_slopes.h"
#include "ops/square.h"

namespace horoball::rowwise {
namespace {

constexpr int kLanes = Vec<double>::kLanes;
using Wide = Vec<double>::Raw;
typedef float Narrow __attribute__((vector_size(kLanes * sizeof(float))));

// Loads one element or `kLanes` of them, depending on V.
template <class V, class T>
inline V load(const T* from) {
  if constexpr (sizeof(V) == sizeof(double)) {
    return static_cast<double>(*from);
  } else if constexpr (sizeof(T) == sizeof(double)) {
    V out;
    std::memcpy(&out, from, sizeof out);
    return out;
  } else {
    Narrow out;
    std::memcpy(&out, from, sizeof out);
    return __builtin_convertvector(out, Wide);
  }
}

inline void store(double* to, double v) { *to = v; }
inline void store(float* to, double v) { *to = static_cast<float>(v); }
inline void store(double* to, Wide v) { std::memcpy(to, &v, sizeof v); }
inline void store(float* to, Wide v) {
  const Narrow out = __builtin_convertvector(v, Narrow);
  std::memcpy(to, &out, sizeof out);
}

inline double total(Wide v) {
  double sum = 0;
  for (int l = 0; l < kLanes; ++l) sum += v[l];
  return sum;
}

// sum of term(i) over i < d. term<double>(i) returns element i, and term<Wide>(i) returns kLanes elements from i on.
template <class Term>
inline double sum(std::int64_t d, const Term& term) {
  Wide even{}, odd{};
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= d; i += 2 * kLanes) {
    even += term.template operator()<Wide>(i);
    odd += term.template operator()<Wide>(i + kLanes);
  }
  for (; i + kLanes <= d; i += kLanes) even += term.template operator()<Wide>(i);
  double rest = 0;
  for (; i < d; ++i) rest += term.template operator()<double>(i);
  return total(even + odd) + rest;
}

template <class T, class U>
inline double dot(const T* x, const U* y, std::int64_t d) {
  return sum(d, [=]<class V>(std::int64_t i) { return load<V>(x + i) * load<V>(y + i); });
}

// <x + beta y, w>
template <class T, class U>
inline double pair_dot(const T* x, const T* y, double beta, const U* w, std::int64_t d) {
  return sum(
      d, [=]<class V>(std::int64_t i) { return (load<V>(x + i) + beta * load<V>(y + i)) * load<V>(w + i); });
}

// |x + beta y|^2
template <class T>
inline double pair_square(const T* x, const T* y, double beta, std::int64_t d) {
  return sum(d, [=]<class V>(std::int64_t i) {
    const V p = load<V>(x + i) + beta * load<V>(y + i);
    return p * p;
  });
}

// Returns v * v - square, exactly.
template <class V>
inline V square_error(V v, V square) {
  if constexpr (kFused && sizeof(V) == sizeof(Wide)) {
    return fma(Vec<double>(v), Vec<double>(v), Vec<double>(-square)).raw;
  } else {
    const V scaled = v * 134217729.0, high = scaled - (scaled - v), low = v - high;
    return ((high * high - square) + 2.0 * high * low) + low * low;
  }
}

// Returns |x|^2, like square() of ops/square.h, except that the number of partial sums depends on the vector width.
inline Square square(const float* x, std::int64_t d) { return {dot(x, x, d), 0}; }

inline Square square(const double* x, std::int64_t d) {
  Wide high{}, low{};
  std::int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    const Wide v = load<Wide>(x + i), product = v * v;
    add_exactly(high, low, product);
    low += square_error(v, product);
  }
  Square out{0, total(low)};
  for (int l = 0; l < kLanes; ++l) add(out, high[l]);
  for (; i < d; ++i) {
    const double product = x[i] * x[i];
    add(out, product);
    out.low += square_error(x[i], product);
  }
  return out;
}

// The input vectors x, y, u of one row; null for inputs that the operation does not have.
template <class T>
struct Vectors {
  const T *x, *y, *u;
};

// Writes the linear combination `k` of N vectors (and of w, if W) to `out`; with kAdd, adds it instead.
template <int N, bool W, bool kAdd, class O, class T, class U>
inline void blend(O* out, const Vectors<T>& v, const U* w, std::int64_t d, Mix k) {
  const auto at = [=]<class V>(std::int64_t i) {
    const V x = load<V>(v.x + i);
    V sum = k.x * x;
    if constexpr (N >= 2) {
      const V y = load<V>(v.y + i);
      sum += k.y * y;
      sum += k.p * (x + k.beta * y);
    }
    if constexpr (N >= 3) sum += k.u * load<V>(v.u + i);
    if constexpr (W) sum += k.w * load<V>(w + i);
    if constexpr (kAdd) sum += load<V>(out + i);
    store(out + i, sum);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) at.template operator()<Wide>(i);
  for (; i < d; ++i) at.template operator()<double>(i);
}

}  // namespace
}  // namespace horoball::rowwise
