// The steps of a row-wise operation, each computed by one warp per row: sums over coordinates in float64, the card's formula,
// and combinations of the row's vectors. The formulas are in separate functions, so that each is compiled once.
#pragma once

#include "cuda/pairwise/prepared_rows.h"
#include "ops/row_slopes.h"
#include "ops/rows.h"

namespace horoball::gpu {
namespace {

using rowwise::gradient_mix;
using rowwise::Mix;
using rowwise::RowSlopes;
using rowwise::RowTerms;
using rowwise::RowWeights;
using State = rowwise::RowState<double>;

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % 32; }
__device__ inline std::int64_t warp() {
  return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
}
constexpr std::int64_t warps_to_blocks(std::int64_t warps) { return ceil_div(warps * 32, kThreads); }

// ---- The formulas ----

template <class... Cards>
__device__ double beta_among(rowwise::RowList<Cards...>, int op, const State& s) {
  double beta = 1;
  int i = 0;
  (static_cast<void>(op == i++ ? (beta = Cards::beta(s)) : 0), ...);
  return beta;
}
template <class... Cards>
__device__ bool pair_along_among(rowwise::RowList<Cards...>, int op) {
  bool along = false;
  int i = 0;
  (static_cast<void>(op == i++ ? (along = Cards::kPairAlong) : 0), ...);
  return along;
}
template <class... Cards>
__device__ RowTerms<double> terms_among(rowwise::RowList<Cards...>, int op, const State& s) {
  RowTerms<double> terms;
  int i = 0;
  (static_cast<void>(op == i++ ? (terms = rowwise::terms<Cards>(s), 0) : 0), ...);
  return terms;
}
template <class... Cards>
__device__ void slopes_among(rowwise::RowList<Cards...>, int op, const State& s, const RowWeights& w,
                             RowSlopes& out) {
  int i = 0;
  (static_cast<void>(op == i++ ? (rowwise::slopes<Cards>(s, w, out), 0) : 0), ...);
}

__device__ __attribute__((noinline)) double beta_of(int op, const State& s) {
  return beta_among(rowwise::RowCards{}, op, s);
}
__device__ __attribute__((noinline)) RowTerms<double> terms_of(int op, const State& s) {
  return terms_among(rowwise::RowCards{}, op, s);
}
__device__ __attribute__((noinline)) void slopes_of(int op, const State& s, const RowWeights& w,
                                                    RowSlopes& out) {
  slopes_among(rowwise::RowCards{}, op, s, w, out);
}

// ---- Sums over a row, the same in every lane ----

template <class Term>
__device__ double warp_sum(std::int64_t d, Term term) {
  double sum = 0;
  for (std::int64_t k = lane(); k < d; k += 32) sum += term(k);
  return across_warp(sum);
}

template <class T, class U>
__device__ double warp_dot(const T* x, const U* y, std::int64_t d) {
  return warp_sum(d, [=](std::int64_t k) { return static_cast<double>(x[k]) * static_cast<double>(y[k]); });
}

// |x|^2, and 1 - c|x|^2 accurate to the last digit.
struct Norm {
  double square, inside;
};
template <class T>
__device__ Norm warp_norm(const State& s, const T* x, std::int64_t d) {
  const Square square = warp_square(x, d, false);
  const double high = __shfl_sync(0xffffffffu, square.high, 0), low = __shfl_sync(0xffffffffu, square.low, 0);
  return {high + low, rowwise::inside_of(s.hypmix, s.c, {high, low})};
}

// The input vectors x, y, u of one row; null for inputs that the operation does not have.
template <class T>
struct Vectors {
  const T *x, *y, *u;

  __device__ double pair(double beta, std::int64_t k) const {
    return static_cast<double>(x[k]) + beta * static_cast<double>(y[k]);
  }
};

template <class T>
__device__ void measure(State& s, int op, const Vectors<T>& v, std::int64_t d) {
  const Norm x = warp_norm(s, v.x, d);
  s.x2 = x.square;
  s.a = x.inside;
  if (v.y != nullptr) {
    const Norm y = warp_norm(s, v.y, d);
    s.y2 = y.square;
    s.b = y.inside;
    const double beta = s.beta = beta_of(op, s);
    s.p2 = warp_sum(d, [=](std::int64_t k) { return v.pair(beta, k) * v.pair(beta, k); });
    if (pair_along_among(rowwise::RowCards{}, op)) {
      s.px = warp_sum(d, [=](std::int64_t k) { return v.pair(beta, k) * static_cast<double>(v.x[k]); });
    }
  }
  if (v.u != nullptr) {
    const double beta = s.beta;
    s.u2 = warp_dot(v.u, v.u, d);
    s.xu = warp_dot(v.x, v.u, d);
    s.yu = warp_dot(v.y, v.u, d);
    s.pu = warp_sum(d, [=](std::int64_t k) { return v.pair(beta, k) * static_cast<double>(v.u[k]); });
  }
}

// Returns coordinate k of the linear combination `mix` of the vectors in `v` and, if it is not null, `more`.
template <class T, class U>
__device__ double mixed(const Mix& mix, const Vectors<T>& v, const U* more, std::int64_t k) {
  double sum = mix.x * static_cast<double>(v.x[k]);
  if (v.y != nullptr) {
    sum += mix.y * static_cast<double>(v.y[k]);
    sum += mix.p * v.pair(mix.beta, k);
  }
  if (v.u != nullptr) sum += mix.u * static_cast<double>(v.u[k]);
  if (more != nullptr) sum += mix.w * static_cast<double>(more[k]);
  return sum;
}

// ---- A call, as kernels see it ----

template <class T>
struct RowView {
  int op, vectors;
  bool hypmix, lifted_in, lifted_out, number, pair_scaled, held_inside;
  double c, t;
  std::int64_t rows, d;
  const T* inputs[3];
  std::int64_t steps[3], cols[3];  // between consecutive rows of an input (0: broadcast); its columns
  T* out;
  std::int64_t out_cols;
  const T* cotangent;
  T* grads[3];

  __device__ State start() const {
    State s{};
    s.hypmix = hypmix;
    s.c = c;
    s.t = t;
    return s;
  }
  __device__ Vectors<T> row(std::int64_t i) const {
    const auto at = [&](int which) -> const T* {
      return which < vectors ? inputs[which] + i * steps[which] : nullptr;
    };
    return {at(0) + (lifted_in ? 1 : 0), at(1), at(2)};
  }
};

}  // namespace
}  // namespace horoball::gpu
