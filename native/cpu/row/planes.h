// For every row x and every class, evaluates a card that maps three vectors (x, and the point p and the normal a of the
// class's hyperplane) to a number. Gradients are computed in two passes, over rows and over classes, so that only one
// thread adds to each sum.
#pragma once

#include "cpu/row/row.h"

namespace horoball::rowwise {
namespace {

template <class T>
struct PlanesCall {
  const RowArgs& args;
  const RowFormula& formula;
  std::int64_t rows, classes, d;

  PlanesCall(const RowArgs& a, const RowFormula& f)
      : args(a), formula(f), rows(a.rows), classes(a.inputs[1].rows), d(a.inputs[0].cols) {}

  Vectors<T> vectors(std::int64_t i, std::int64_t k) const {
    const auto row = [&](int which, std::int64_t at) {
      return static_cast<const T*>(args.inputs[which].data) + at * d;
    };
    return {row(0, i), row(1, k), row(2, k)};
  }
};

template <class T>
Status planes(const PlanesCall<T>& call, const Run& run) {
  const Blocks blocks(call.rows, 3 * call.d * call.classes);
  return for_blocks(run, blocks.count, [&](std::int64_t block) {
    RowState<double> s = start_state(call.args);
    for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) {
      T* out = static_cast<T*>(call.args.out.data) + i * call.classes;
      for (std::int64_t k = 0; k < call.classes; ++k) {
        measure<3>(s, call.formula, call.vectors(i, k), call.d);
        out[k] = static_cast<T>(call.formula.terms(s).value);
      }
    }
  });
}

// Adds the contribution of one row and one class to the gradient sums `to` of the inputs `first` to `last`;
// returns its contribution to the gradient of c.
template <class T>
double planes_vjp_pair(const PlanesCall<T>& call, std::int64_t i, std::int64_t k, int first, int last,
                       double* to) {
  const Vectors<T> v = call.vectors(i, k);
  RowState<double> s = start_state(call.args);
  measure<3>(s, call.formula, v, call.d);
  RowSlopes slopes;
  const T w = static_cast<const T*>(call.args.cotangent.data)[i * call.classes + k];
  call.formula.slopes(s, {.value = w}, slopes);
  for (int which = first; which <= last; ++which, to += call.d) {
    blend<3, false, true>(to, v, v.x, call.d, gradient_mix(which, slopes, s.beta));
  }
  return slopes.c;
}

// Computes one of the two passes: for each of `owners` rows (or classes), sums the gradients of inputs `first` to `last`
// over all `others` classes (or rows).
template <class T, class Pair>
Status planes_pass(const PlanesCall<T>& call, const Run& run, std::int64_t owners, std::int64_t others,
                   int first, int last, const Pair& pair) {
  const Blocks blocks(owners, 6 * call.d * others);
  const std::int64_t count = last - first + 1;
  const Scratch scratch((blocks.count * (count * call.d + 1) + 1) * sizeof(double));
  if (scratch.data == nullptr) return no_memory();
  double* work = reinterpret_cast<double*>(scratch.data);
  double* by_c = work + blocks.count * count * call.d;
  const Status status = for_blocks(run, blocks.count, [&](std::int64_t block) {
    double* sum = work + block * count * call.d;
    by_c[block] = 0;
    for (std::int64_t owner = blocks.begin(block); owner < blocks.end(block); ++owner) {
      clear(sum, count * call.d);
      for (std::int64_t other = 0; other < others; ++other) by_c[block] += pair(owner, other, sum);
      for (int which = first; which <= last; ++which) {
        T* to = static_cast<T*>(call.args.grads[which].data);
        if (to != nullptr) scale(to + owner * call.d, 1, sum + (which - first) * call.d, call.d);
      }
    }
  });
  if (double* to = call.args.grad_scalars; to != nullptr && first == 0) {
    to[0] = to[1] = 0;
    for (std::int64_t block = 0; block < blocks.count; ++block) to[0] += by_c[block];
  }
  return status;
}

template <class T>
Status planes_vjp(const PlanesCall<T>& call, const Run& run) {
  const Status status = planes_pass(
      call, run, call.rows, call.classes, 0, 0,
      [&](std::int64_t i, std::int64_t k, double* sum) { return planes_vjp_pair(call, i, k, 0, 0, sum); });
  if (status.code != Code::ok || (call.args.grads[1].data == nullptr && call.args.grads[2].data == nullptr)) {
    return status;
  }
  return planes_pass(
      call, run, call.classes, call.rows, 1, 2,
      [&](std::int64_t k, std::int64_t i, double* sum) { return planes_vjp_pair(call, i, k, 1, 2, sum); });
}

}  // namespace
}  // namespace horoball::rowwise
