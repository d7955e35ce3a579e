// The row family: operations on independent rows. Each row needs a few inner products, the card's scalar formula
// (formula.h) and one combination of the row's vectors. A gradient needs the same, with more terms. An input may be
// a single row that is broadcast to all; its gradient is then the sum over the rows.
//
// The division of rows into blocks depends only on their number and size, and sums over rows are computed block by
// block and then over blocks in order, so results do not depend on the number of threads.
#pragma once

#include "cpu/frame/call.h"
#include "cpu/frame/threads.h"
#include "cpu/row/formula.h"
#include "cpu/row/sums.h"

namespace horoball::rowwise {
namespace {

// ---- Blocks of rows, and the arguments of a call ---------------------------------------------------------

constexpr std::int64_t kBlockElements = 1 << 15;  // enough work to justify waking a thread
constexpr std::int64_t kMostBlocks = 256;         // bounds the memory of sums over rows

struct Blocks {
  std::int64_t rows, size, count;

  Blocks(std::int64_t n, std::int64_t work_per_row) : rows(n) {
    const std::int64_t cheap = kBlockElements / (work_per_row > 0 ? work_per_row : 1);
    const std::int64_t fewest = (n + kMostBlocks - 1) / kMostBlocks;
    size = cheap > fewest ? cheap : fewest;
    if (size < 1) size = 1;
    count = (n + size - 1) / size;
  }
  std::int64_t begin(std::int64_t block) const { return block * size; }
  std::int64_t end(std::int64_t block) const {
    const std::int64_t e = begin(block) + size;
    return e < rows ? e : rows;
  }
};

// Runs body(block) for every block.
template <class Body>
Status for_blocks(const Run& run, std::int64_t count, const Body& body) {
  for_each(thread_count(run.threads), count, [&](std::int64_t block, int) {
    if (!is_cancelled(run)) body(block);
  });
  return finished(run);
}

Status no_memory() { return {Code::memory, "could not allocate scratch memory for the sums over rows"}; }

// A typed view of the arguments.
template <class T>
struct RowCall {
  const RowArgs& args;
  const RowFormula& formula;
  std::int64_t d;                  // coordinates of a vector
  std::int64_t steps[kRowInputs];  // between consecutive rows of an input; 0 if a single row is broadcast
  bool lifted_in, lifted_out, number;

  RowCall(const RowArgs& a, const RowFormula& f) : args(a), formula(f) {
    lifted_in = f.info->lifted_input;
    lifted_out = f.info->result == RowResult::lifted;
    number = f.info->result == RowResult::number;
    d = a.inputs[0].cols - (lifted_in ? 1 : 0);
    for (int i = 0; i < kRowInputs; ++i) steps[i] = a.inputs[i].rows == 1 ? 0 : a.inputs[i].cols;
  }

  const T* input(int which, std::int64_t row) const {
    return static_cast<const T*>(args.inputs[which].data) + row * steps[which];
  }
  template <int N>
  Vectors<T> vectors(std::int64_t row) const {
    return {input(0, row) + (lifted_in ? 1 : 0), N >= 2 ? input(1, row) : nullptr,
            N >= 3 ? input(2, row) : nullptr};
  }
};

// Runs body(doubles) with an array of n doubles, on the stack if n is small. Returns false if the allocation failed.
template <class Body>
bool with_doubles(std::int64_t n, const Body& body) {
  constexpr std::int64_t kFew = 512;
  if (n <= kFew) {
    double few[kFew];
    body(few);
    return true;
  }
  const Scratch scratch(n * sizeof(double));
  if (scratch.data == nullptr) return false;
  body(reinterpret_cast<double*>(scratch.data));
  return true;
}

void clear(double* to, std::int64_t n) { std::memset(to, 0, n * sizeof(double)); }

// to += k * v
template <class T>
void axpy(double* to, double k, const T* v, std::int64_t d) {
  blend<1, false, true>(to, Vectors<T>{v, nullptr, nullptr}, static_cast<const T*>(nullptr), d, {.x = k});
}

// to = k * v
template <class T, class U>
void scale(U* to, double k, const T* v, std::int64_t d) {
  blend<1, false, false>(to, Vectors<T>{v, nullptr, nullptr}, static_cast<const T*>(nullptr), d, {.x = k});
}

RowState<double> start_state(const RowArgs& args) {
  RowState<double> s{};
  s.hypmix = args.guards == Guards::hypmix;
  s.c = args.c;
  s.t = args.parameter;
  return s;
}

// ---- Kernel: one row -------------------------------------------------------------------------------------

// Fills `s` with the scalars of a row, from its vectors.
template <int N, class T>
inline void measure(RowState<double>& s, const RowFormula& formula, const Vectors<T>& v, std::int64_t d) {
  const Square x2 = square(v.x, d);
  s.x2 = x2.value();
  s.a = row_inside(s.hypmix, s.c, x2.high, x2.low);
  if constexpr (N >= 2) {
    const Square y2 = square(v.y, d);
    s.y2 = y2.value();
    s.b = row_inside(s.hypmix, s.c, y2.high, y2.low);
    s.beta = formula.beta(s);
    s.p2 = pair_square(v.x, v.y, s.beta, d);
    if (formula.pair_along) s.px = pair_dot(v.x, v.y, s.beta, v.x, d);
  }
  if constexpr (N >= 3) {
    s.u2 = dot(v.u, v.u, d);
    s.xu = dot(v.x, v.u, d);
    s.yu = dot(v.y, v.u, d);
    s.pu = pair_dot(v.x, v.y, s.beta, v.u, d);
  }
}

// Fills `weights` with the inner products of the vectors of a row with w.
template <int N, class T, class U>
inline void weigh(RowWeights& weights, const Vectors<T>& v, double beta, const U* w, std::int64_t d) {
  weights.x = dot(v.x, w, d);
  if constexpr (N >= 2) {
    weights.y = dot(v.y, w, d);
    weights.p = pair_dot(v.x, v.y, beta, w, d);
  }
  if constexpr (N >= 3) weights.u = dot(v.u, w, d);
}

// Scales a result beyond the rim back onto the rim.
template <class T>
void hold_inside(T* out, std::int64_t d, double c) {
  const double square = c * dot(out, out, d);
  if (square > 1) scale(out, 1 / std::sqrt(square), out, d);
}

template <int N, class T>
void forward_rows(const RowCall<T>& call, std::int64_t begin, std::int64_t end) {
  const std::int64_t cols = call.args.out.cols;
  RowState<double> s = start_state(call.args);
  for (std::int64_t i = begin; i < end; ++i) {
    const auto v = call.template vectors<N>(i);
    if (call.lifted_in) s.time = call.input(0, i)[0];
    measure<N>(s, call.formula, v, call.d);
    const RowTerms<double> k = call.formula.terms(s);
    T* out = static_cast<T*>(call.args.out.data) + i * cols;
    if (call.number || call.lifted_out) *out++ = static_cast<T>(k.value);
    if (!call.number) {
      blend<N, false, false>(out, v, static_cast<const T*>(nullptr), call.d, {k.x, k.y, k.p, k.u, 0, s.beta});
      if (call.formula.held_inside) hold_inside(out, call.d, s.c);
    }
  }
}

// Sums over the rows of a block: the gradients of c and of the card's parameter, and of each input that is a single
// broadcast row.
template <class T>
struct RowSums {
  double scalars[2] = {};
  double* shared[kRowInputs] = {};
};

template <int N, class T>
void vjp_row(const RowCall<T>& call, std::int64_t i, RowState<double>& s, RowSums<T>& sums) {
  const auto v = call.template vectors<N>(i);
  if (call.lifted_in) s.time = call.input(0, i)[0];
  measure<N>(s, call.formula, v, call.d);

  RowWeights weights;
  const T* w = static_cast<const T*>(call.args.cotangent.data) + i * call.args.cotangent.cols;
  if (call.number || call.lifted_out) weights.value = *w++;
  if (!call.number) weigh<N>(weights, v, s.beta, w, call.d);
  if constexpr (N >= 2) {
    if (call.formula.pair_scaled) weights.py = pair_dot(v.x, v.y, s.beta, v.y, call.d);
  }

  RowSlopes slopes;
  call.formula.slopes(s, weights, slopes);
  sums.scalars[0] += slopes.c;
  sums.scalars[1] += slopes.t;
  for (int which = 0; which < N; ++which) {
    const Mix mix = gradient_mix(which, slopes, s.beta);
    const int skip = which == 0 && call.lifted_in ? 1 : 0;
    const auto write = [&]<bool kAdd>(auto* to) {
      if (skip == 1) *to = kAdd ? *to + slopes.time : slopes.time;
      if (call.number) {
        blend<N, false, kAdd>(to + skip, v, w, call.d, mix);
      } else {
        blend<N, true, kAdd>(to + skip, v, w, call.d, mix);
      }
    };
    if (sums.shared[which] != nullptr) {
      write.template operator()<true>(sums.shared[which]);
    } else if (T* to = static_cast<T*>(call.args.grads[which].data); to != nullptr) {
      write.template operator()<false>(to + i * call.args.grads[which].cols);
    }
  }
}

// ---- Launcher --------------------------------------------------------------------------------------------

template <int N, class T>
Status forward(const RowCall<T>& call, const Run& run) {
  const Blocks blocks(call.args.rows, call.d * N);
  return for_blocks(run, blocks.count, [&](std::int64_t block) {
    forward_rows<N>(call, blocks.begin(block), blocks.end(block));
  });
}

// Adds the sums of the blocks in order and writes the totals.
template <class T>
void gather_sums(const RowCall<T>& call, const RowSums<T>* sums, std::int64_t count) {
  if (double* to = call.args.grad_scalars; to != nullptr) {
    to[0] = to[1] = 0;
    for (std::int64_t b = 0; b < count; ++b) {
      to[0] += sums[b].scalars[0];
      to[1] += sums[b].scalars[1];
    }
  }
  for (int which = 0; which < kRowInputs; ++which) {
    T* to = static_cast<T*>(call.args.grads[which].data);
    if (to == nullptr || count == 0 || sums[0].shared[which] == nullptr) continue;
    for (std::int64_t j = 0; j < call.args.grads[which].cols; ++j) {
      double total = 0;
      for (std::int64_t b = 0; b < count; ++b) total += sums[b].shared[which][j];
      to[j] = static_cast<T>(total);
    }
  }
}

template <int N, class T>
Status vjp(const RowCall<T>& call, const Run& run) {
  const Blocks blocks(call.args.rows, 2 * call.d * N);
  const auto work = [&](std::int64_t block, RowSums<T>& sums) {
    RowState<double> s = start_state(call.args);
    for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) vjp_row<N>(call, i, s, sums);
  };
  const auto is_shared = [&](int which) {
    return call.args.rows != 1 && call.args.grads[which].data != nullptr && call.args.inputs[which].rows == 1;
  };
  std::int64_t shared = 0;
  for (int which = 0; which < N; ++which) shared += is_shared(which) ? call.args.inputs[which].cols : 0;

  if (blocks.count == 1 && shared == 0) {  // the common small call needs no scratch memory
    RowSums<T> sums;
    const Status status = for_blocks(run, 1, [&](std::int64_t block) { work(block, sums); });
    gather_sums(call, &sums, 1);
    return status;
  }

  const std::int64_t count = blocks.count > 0 ? blocks.count : 1;
  const Scratch scratch(count * (sizeof(RowSums<T>) + shared * sizeof(double)));
  if (scratch.data == nullptr) return no_memory();
  auto* sums = reinterpret_cast<RowSums<T>*>(scratch.data);
  auto* next = reinterpret_cast<double*>(sums + count);
  clear(next, count * shared);
  for (std::int64_t b = 0; b < count; ++b) {
    sums[b] = {};
    for (int which = 0; which < N; ++which) {
      if (!is_shared(which)) continue;
      sums[b].shared[which] = next;
      next += call.args.inputs[which].cols;
    }
  }
  const Status status = for_blocks(run, blocks.count, [&](std::int64_t block) { work(block, sums[block]); });
  if (status.code == Code::ok) gather_sums(call, sums, count);
  return status;
}

}  // namespace
}  // namespace horoball::rowwise
