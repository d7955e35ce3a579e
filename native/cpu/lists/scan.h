// Bounds on the ranks of a list's rows, computed from their codes for one query and one block of 16 rows at a time.
//
// For the query q = center + beta * code_q + r_q and the row x of slot j,
//   | |q - x| - |beta * code_q - scale_j * code_j| | <= |r_q| + error_j,
// and |beta * code_q - scale_j * code_j|^2 follows from three exact integers: |code_q|^2, |code_j|^2 and <code_q, code_j>.
// The float32 error of this square is less than 2^-20 (|beta * code_q|^2 + |scale_j * code_j|^2).
#pragma once

#include "cpu/frame/shorts.h"
#include "cpu/lists/layout.h"

namespace horoball {
namespace {

constexpr int kBlockVectors = static_cast<int>(kSlots) / Vec<float>::kLanes;

// A query's difference from a center, as codes.
struct Residual {
  const std::int16_t* code;
  float beta;   // the scale of the code
  float size;   // |beta * code|^2
  float error;  // upper bound on |query - center - beta * code|
};

// Splits `difference` into a code and a remainder, whose norm is added to `error`. `scratch` and `code` have `padded`
// elements, a multiple of the vector width. Codes are so small that no sum of their products with 127 exceeds 31 bits.
inline Residual encode_residual(const float* difference, std::int64_t padded, float error, float* scratch,
                                std::int16_t* code) {
  using V = Vec<float>;
  V largest(0.f), sizes(0.f), squares(0.f);
  for (std::int64_t k = 0; k < padded; k += V::kLanes) {
    const V v = V::load(difference + k), size = max(v, -v);
    largest = max(size, largest);
    sizes = sizes + size;
    squares = fma(v, v, squares);
  }
  // `up` covers the rounding of the sums, and 1e-17 covers squares that underflow.
  const float width = static_cast<float>(padded), up = 1 + 0x1p-24f * (width + 32);
  const float length = horoball::sqrt(sum(squares)) * up + 1e-17f;
  constexpr float kMost = 32000, kSum = 0x1p31f / 127 * 0.98f;
  // Rounding increases the magnitude of a code by at most 1/2.
  const float by_sum = (kSum - width) / sum(sizes), by_most = kMost / most(largest);
  const float inverse = by_sum < by_most ? by_sum : by_most;
  if (!(inverse < 1e30f && inverse > 1e-30f)) {  // zero or out of range: no code, all remainder
    for (std::int64_t k = 0; k < padded; ++k) code[k] = 0;
    return {code, 0, 0, error + length};
  }
  const float beta = 1 / inverse;
  V left(0.f);
  for (std::int64_t k = 0; k < padded; k += V::kLanes) {
    const V v = V::load(difference + k), rounder(Bits<float>::kRounder);
    const V whole = (v * V(inverse) + rounder) - rounder, rest = v - V(beta) * whole;
    left = fma(rest, rest, left);
    whole.store(scratch + k);
  }
  std::int64_t size = 0;
  for (std::int64_t k = 0; k < padded; ++k) {
    code[k] = static_cast<std::int16_t>(scratch[k]);
    size += static_cast<std::int64_t>(std::int32_t{code[k]} * std::int32_t{code[k]});
  }
  // The rounding error of the remainder is relative to the norm of the difference.
  const float rest = horoball::sqrt(sum(left)) * up + 0x1p-22f * length + 1e-17f;
  return {code, beta, beta * beta * static_cast<float>(size), error + rest};
}

// Lower and upper bounds on the ranks of a vector of slots.
struct RankBounds {
  Vec<float> low, high;
};
HOROBALL_INLINE RankBounds rank_bounds(Ints product, const Residual& query, const float* facts) {
  using V = Vec<float>;
  const V zero(0.f), up(kUp), down(kDown);
  const V size = V(query.size) + V::load(facts + kSize * kSlots);
  const V cross = V(2 * query.beta) * V::load(facts + kScale * kSlots) * to_floats(product);
  const V s = size - cross, slack = size * V(0x1p-20f);
  const V error = (V(query.error) + V::load(facts + kError * kSlots)) * up;
  const V weight = V::load(facts + kWeight * kSlots);
  const V least = sqrt(max(s - slack, zero)) * down - error, near = max(least, zero);
  const V far = sqrt(max(s, zero) + slack + V(kTiny)) * up + error;
  // The stored weight is rounded down by a relative error of up to 2^-19.
  return {near * near * weight * V(1 - 0x1p-19f), fma(far * far * weight, V(1 + 0x1p-17f), V(kTiny))};
}

// Computes the inner products of a query's code with the codes of a block.
HOROBALL_INLINE void block_products(const std::int8_t* block, const std::int16_t* code, std::int64_t pairs,
                                    Ints (&products)[kBlockVectors]) {
  constexpr int kBytes = kVectorBytes / 2;
  for (int v = 0; v < kBlockVectors; ++v) products[v] = Ints{};
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 4
#endif
  for (std::int64_t p = 0; p < pairs; ++p) {
    const Shorts query = broadcast_pair(code + 2 * p);
    for (int v = 0; v < kBlockVectors; ++v)
      products[v] += pair_products(load_bytes(block + p * 2 * kSlots + v * kBytes), query);
  }
}

}  // namespace
}  // namespace horoball
