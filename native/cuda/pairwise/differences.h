// Squared differences of a tile of pairs, from inner products, or directly from the rows if that would lose digits.
#pragma once

#include "cuda/pairwise/prepared_rows.h"

namespace horoball::gpu {
namespace {

template <class Card, class T>
__device__ T squared_from(T g, const Packed<T>& x, std::int64_t i, const Packed<T>& y, std::int64_t j) {
  return squared_from_product<Card>(g, x.n[i], y.n[j], x.q[i], y.q[j]);
}

// The factor on the CPU's thresholds of nearness: 2 for float32, because tensor cores truncate sums, whereas a multiply-add
// rounds them.
template <class T>
constexpr double kCut = sizeof(T) == 4 ? 2 : 1;

// Returns a negative number if s is so small relative to the norms that it is inaccurate.
template <class Card, class T>
__device__ T nearness(T s, const Packed<T>& x, std::int64_t i, const Packed<T>& y, std::int64_t j) {
  constexpr bool kMinkowski = Card::kRows == Rows::minkowski;
  constexpr double kPart = kCut<T> * kNearPart<Card>;
  return fma(static_cast<T>(-kPart), kMinkowski ? x.size[i] + y.size[j] : x.n[i] + y.n[j], s);
}

// Returns the exact squared difference; +infinity between a row outside the domain and any other point. `same`: x and y are
// the same rows.
template <class Card, class T>
__device__ __attribute__((noinline)) T direct(const Packed<T>& x, std::int64_t i, const Packed<T>& y,
                                              std::int64_t j, bool same) {
  if (same && i == j) return 0;
  return direct_difference<Card, T>({x.row(i), x.n[i], x.scale[i]}, {y.row(j), y.n[j], y.scale[j]}, x.depth);
}

// Computes this thread's squared differences of two tiles of rows. Near pairs are corrected in a separate loop: with one
// call in the code instead of one per element, the surrounding sums fit in registers.
template <class Card, class T>
__device__ void squared_differences(Slabs<T>& shared, const Packed<T>& x, std::int64_t x_tile,
                                    const Packed<T>& y, std::int64_t y_tile, bool same, Sums<T>& s) {
  constexpr int m = kMicro<T>;
  static_assert(m * m <= 32);
  product(shared, x.panel(x_tile), y.panel(y_tile), x.deep, x.plain, s);
  const std::int64_t first_i = x_tile * kSide<T> + first_row<T>(),
                     first_j = y_tile * kSide<T> + first_column<T>();
  std::uint32_t near = 0;  // one bit per element
#pragma unroll
  for (int r = 0; r < m; ++r) {
#pragma unroll
    for (int c = 0; c < m; ++c) {
      s[r][c] = squared_from<Card>(s[r][c], x, first_i + r, y, first_j + c);
      if (nearness<Card>(s[r][c], x, first_i + r, y, first_j + c) < 0) near |= 1u << (r * m + c);
    }
  }
#pragma unroll 1
  for (int at = 0; near != 0; ++at, near >>= 1) {
    if ((near & 1) == 0) continue;
    const T exact = direct<Card>(x, first_i + at / m, y, first_j + at % m, same);
#pragma unroll
    for (int r = 0; r < m; ++r) {
#pragma unroll
      for (int c = 0; c < m; ++c) s[r][c] = at == r * m + c ? exact : s[r][c];
    }
  }
}

}  // namespace
}  // namespace horoball::gpu
