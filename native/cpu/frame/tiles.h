// The innermost part of the matrix product: a tile of kTileRows x kTileCols held in registers.
//
// Sums run over k in ascending order with one call of fma() per step, wherever the tile is in the matrix, so
// the value of a product does not depend on how the matrix is divided, and x.y == y.x to the last bit.
#pragma once

#include <utility>

#include "cpu/frame/vec.h"

namespace horoball {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 8;  // of 32 registers: 24 sums, 3 vectors of B and a broadcast
constexpr int kTileVectors = 3;
#elif defined(__aarch64__)
// 18 sums in 32 registers: more rows would not divide the 6 columns of a float64 tile (see the assertion below).
constexpr int kTileRows = 6;
constexpr int kTileVectors = 3;
#elif defined(__AVX2__)
constexpr int kTileRows = 4;  // of 16 registers: 12 sums, 3 vectors of B and a broadcast
constexpr int kTileVectors = 3;
#else
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;
#endif

template <class T>
constexpr int kTileCols = kTileVectors * Vec<T>::kLanes;

// pack.h packs both factors alike, kTileCols data rows per panel. The kTileRows rows of a tile must be in one panel of A.
static_assert(kTileCols<float> % kTileRows == 0 && kTileCols<double> % kTileRows == 0);

// The layout of A: by_k stores all rows of one k contiguously, with `stride` from one k to the next; by_row the reverse.
enum class Left { by_k, by_row };

template <Left kLeft, class T>
HOROBALL_INLINE T left_element(const T* a, std::int64_t stride, int row, std::int64_t k) {
  return kLeft == Left::by_k ? a[k * stride + row] : a[row * stride + k];
}

// Calls body with 0, 1, ... kCount - 1 as compile-time constants: a loop unrolled before register allocation. Always
// inlined: otherwise the sums would be kept in memory, which doubles the time of a product.
template <int kCount, class Body>
HOROBALL_INLINE void unrolled(Body body) {
  [&]<int... i>(std::integer_sequence<int, i...>) HOROBALL_LAMBDA {
    (body(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, kCount>{});
}

template <class T, int kVectors>
struct Sums {
  Vec<T> row[kTileRows][kVectors];
};

// sums[row][vector] = sum over k of A(row, k) B(k, vector), with the rows of B `b_stride` apart. Never
// inlined, so that the loop has all registers wherever it is called from.
template <int kVectors, Left kLeft, class T>
[[gnu::noinline]] Sums<T, kVectors> product(const T* a, std::int64_t a_stride, const T* b,
                                            std::int64_t b_stride, std::int64_t depth) {
  using V = Vec<T>;
  Sums<T, kVectors> sums;  // a local variable, because the returned object would be kept in memory
  unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA { sums.row[r][v] = V(T(0)); });
  });
  for (std::int64_t k = 0; k < depth; ++k) {
    V right[kVectors];
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA { right[v] = V::load(b + k * b_stride + v * V::kLanes); });
    unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
      const V left(left_element<kLeft>(a, a_stride, r, k));
      unrolled<kVectors>([&](auto v)
                             HOROBALL_LAMBDA { sums.row[r][v] = fma(left, right[v], sums.row[r][v]); });
    });
  }
  Sums<T, kVectors> answer;
  unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
    unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA { answer.row[r][v] = sums.row[r][v]; });
  });
  return answer;
}

// sums[row][vector] = sum over k of (A(row, k) - B(k, vector))^2, where A and B are stored by_k with the same
// `stride`. The terms are added in short segments: in one long sum, the equal terms of near rows would all round the
// same way.
template <int kVectors, class T>
[[gnu::noinline]] Sums<T, kVectors> differences(const T* a, const T* b, std::int64_t stride,
                                                std::int64_t depth) {
  using V = Vec<T>;
  constexpr std::int64_t kSegment = 32;
  Sums<T, kVectors> answer{};
  for (std::int64_t first = 0; first < depth; first += kSegment) {
    const std::int64_t end = first + kSegment < depth ? first + kSegment : depth;
    Sums<T, kVectors> sums;  // a local variable, because the returned object would be kept in memory
    unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
      unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA { sums.row[r][v] = V(T(0)); });
    });
    for (std::int64_t k = first; k < end; ++k) {
      V right[kVectors];
      unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA { right[v] = V::load(b + k * stride + v * V::kLanes); });
      unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
        const V left(a[k * stride + r]);
        unrolled<kVectors>([&](auto v) HOROBALL_LAMBDA {
          const V difference = left - right[v];
          sums.row[r][v] = fma(difference, difference, sums.row[r][v]);
        });
      });
    }
    unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
      unrolled<kVectors>([&](auto v)
                             HOROBALL_LAMBDA { answer.row[r][v] = answer.row[r][v] + sums.row[r][v]; });
    });
  }
  return answer;
}

// Calls body with the number of vectors, at most kTileVectors, as a compile-time constant.
template <class Body>
inline void with_vectors(int count, Body body) {
  if (count >= kTileVectors) {
    body.template operator()<kTileVectors>();
  } else if (count == 2) {
    body.template operator()<2>();
  } else {
    body.template operator()<1>();
  }
}

}  // namespace
}  // namespace horoball
