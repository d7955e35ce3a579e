// Möbius matrix-vector products: the formula gives the coefficient of h = Mx from |x|^2 and |h|^2.
#pragma once

#include "cpu/row/row.h"

namespace horoball::rowwise {
namespace {

template <class T>
struct MatvecCall {
  const RowArgs& args;
  const RowFormula& formula;
  std::int64_t rows, out, in;

  MatvecCall(const RowArgs& a, const RowFormula& f)
      : args(a), formula(f), rows(a.rows), out(a.inputs[0].rows), in(a.inputs[0].cols) {}

  const T* matrix(std::int64_t k) const { return static_cast<const T*>(args.inputs[0].data) + k * in; }
  const T* point(std::int64_t i) const { return static_cast<const T*>(args.inputs[1].data) + i * in; }
  Blocks blocks(std::int64_t begin, std::int64_t end) const { return Blocks(end - begin, in * (out + 1)); }
};

// Computes h = M x and fills `s` with the scalars of row i.
template <class T>
void measure(RowState<double>& s, const MatvecCall<T>& call, std::int64_t i, double* h) {
  const T* x = call.point(i);
  for (std::int64_t k = 0; k < call.out; ++k) h[k] = dot(call.matrix(k), x, call.in);
  const Square x2 = square(x, call.in);
  s.x2 = x2.value();
  s.a = row_inside(s.hypmix, s.c, x2.high, x2.low);
  s.y2 = dot(h, h, call.out);
}

template <class T>
Status matvec(const MatvecCall<T>& call, const Run& run) {
  const Blocks blocks = call.blocks(0, call.rows);
  std::atomic<bool> enough{true};
  const Status status = for_blocks(run, blocks.count, [&](std::int64_t block) {
    const bool done = with_doubles(call.out, [&](double* h) {
      RowState<double> s = start_state(call.args);
      for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) {
        measure(s, call, i, h);
        scale(static_cast<T*>(call.args.out.data) + i * call.out, call.formula.terms(s).y, h, call.out);
      }
    });
    if (!done) enough.store(false, std::memory_order_relaxed);
  });
  return enough.load() ? status : no_memory();
}

// Writes the gradient with respect to h to `by_h` and, if wanted, the gradient with respect to x. Adds the contribution
// of row i to `by_c`. `work` has out + in doubles.
template <class T>
void matvec_vjp_row(const MatvecCall<T>& call, std::int64_t i, double* by_h, double* work, double* by_c) {
  double *h = work, *by_x = work + call.out;
  RowState<double> s = start_state(call.args);
  measure(s, call, i, h);
  const T* w = static_cast<const T*>(call.args.cotangent.data) + i * call.out;
  RowSlopes slopes;
  call.formula.slopes(s, {.y = dot(h, w, call.out)}, slopes);
  scale(by_h, 2 * slopes.y2, h, call.out);
  axpy(by_h, slopes.terms.y, w, call.out);
  *by_c += slopes.c;
  if (T* to = static_cast<T*>(call.args.grads[1].data); to != nullptr) {
    scale(by_x, 2 * slopes.x2, call.point(i), call.in);
    for (std::int64_t k = 0; k < call.out; ++k) axpy(by_x, by_h[k], call.matrix(k), call.in);
    scale(to + i * call.in, 1, by_x, call.in);
  }
}

// Processes points in chunks: first the gradients with respect to h, then the gradient of M, one row of M at a time.
template <class T>
Status matvec_vjp(const MatvecCall<T>& call, const Run& run) {
  constexpr std::int64_t kChunk = 512;
  const std::int64_t chunk = call.rows < kChunk ? call.rows : kChunk, width = call.out + call.in;
  T* by_matrix = static_cast<T*>(call.args.grads[0].data);
  const std::int64_t sums = by_matrix != nullptr ? call.out * call.in : 0;
  const Scratch scratch((sums + chunk * call.out + kMostBlocks * (width + 1)) * sizeof(double));
  if (scratch.data == nullptr) return no_memory();
  double* total = reinterpret_cast<double*>(scratch.data);
  double *by_h = total + sums, *work = by_h + chunk * call.out, *by_c = work + kMostBlocks * width;
  clear(total, sums);
  double curvature = 0;

  for (std::int64_t first = 0; first < call.rows; first += chunk) {
    const std::int64_t last = first + chunk < call.rows ? first + chunk : call.rows;
    const Blocks blocks = call.blocks(first, last);
    clear(by_c, blocks.count);
    Status status = for_blocks(run, blocks.count, [&](std::int64_t block) {
      for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) {
        matvec_vjp_row(call, first + i, by_h + i * call.out, work + block * width, by_c + block);
      }
    });
    if (status.code != Code::ok) return status;
    for (std::int64_t block = 0; block < blocks.count; ++block) curvature += by_c[block];
    if (by_matrix == nullptr) continue;
    const Blocks rows(call.out, (last - first) * call.in);
    status = for_blocks(run, rows.count, [&](std::int64_t block) {
      for (std::int64_t k = rows.begin(block); k < rows.end(block); ++k) {
        for (std::int64_t i = first; i < last; ++i) {
          axpy(total + k * call.in, by_h[(i - first) * call.out + k], call.point(i), call.in);
        }
      }
    });
    if (status.code != Code::ok) return status;
  }
  if (by_matrix != nullptr) scale(by_matrix, 1, total, sums);
  if (double* to = call.args.grad_scalars; to != nullptr) {
    to[0] = curvature;
    to[1] = 0;
  }
  return {};
}

}  // namespace
}  // namespace horoball::rowwise
