// The midpoint of all rows. On the hyperboloid, the sum of the points x with weights w and conformal factors lambda has
// the space part N = sum w lambda x and the time part D = sum w (lambda - 1). The formula gives the coefficient of N
// from |N|^2, D and W = sum w.
#pragma once

#include "cpu/row/row.h"

namespace horoball::rowwise {
namespace {

template <class T>
struct MidpointCall {
  const RowArgs& args;
  const RowFormula& formula;
  std::int64_t rows, d;
  double unit = 1;  // divisor of the weights

  MidpointCall(const RowArgs& a, const RowFormula& f)
      : args(a), formula(f), rows(a.rows), d(a.inputs[0].cols) {
    const T* weights = static_cast<const T*>(args.inputs[1].data);
    if (weights == nullptr) return;
    double largest = 0;
    for (std::int64_t i = 0; i < rows; ++i) largest = weights[i] > largest ? weights[i] : largest;
    unit = row_weight_unit(largest);
  }

  const T* point(std::int64_t i) const { return static_cast<const T*>(args.inputs[0].data) + i * d; }
  double weight(std::int64_t i) const {
    const T* weights = static_cast<const T*>(args.inputs[1].data);
    return weights == nullptr ? 1 : weights[i] / unit;
  }
};

// A point's lambda, and its derivatives with respect to |x|^2 and c.
struct Conformal {
  double factor, by_square, by_c;
};

template <class T>
Conformal conformal(const MidpointCall<T>& call, const T* x) {
  const Square x2 = square(x, call.d);
  const bool hypmix = call.args.guards == Guards::hypmix;
  const double inside = row_inside(hypmix, call.args.c, x2.high, x2.low), factor = 2 / inside;
  const double slope = on_rim(inside) && !hypmix ? 0 : factor * factor / 2;
  return {factor, slope * call.args.c, slope * x2.value()};
}

// Computes N, D and W, in this order, for each block, then adds the blocks in order. `sums` has space for
// blocks.count + 1 such groups; the first is the total.
template <class T>
Status add_up(const MidpointCall<T>& call, const Blocks& blocks, const Run& run, double* sums) {
  const std::int64_t size = call.d + 2;
  clear(sums, (blocks.count + 1) * size);
  const Status status = for_blocks(run, blocks.count, [&](std::int64_t block) {
    double* sum = sums + (block + 1) * size;
    for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) {
      const double lambda = conformal(call, call.point(i)).factor, weight = call.weight(i);
      axpy(sum, weight * lambda, call.point(i), call.d);
      sum[call.d] += weight * (lambda - 1);
      sum[call.d + 1] += weight;
    }
  });
  for (std::int64_t block = 1; block <= blocks.count; ++block) axpy(sums, 1, sums + block * size, size);
  return status;
}

template <class T>
RowState<double> measure(const MidpointCall<T>& call, const double* sum) {
  RowState<double> s = start_state(call.args);
  s.x2 = dot(sum, sum, call.d);
  s.time = sum[call.d];
  s.t = sum[call.d + 1];
  return s;
}

template <class T>
Status midpoint(const MidpointCall<T>& call, const Run& run) {
  const Blocks blocks(call.rows, call.d);
  Status status;
  const bool enough = with_doubles((blocks.count + 1) * (call.d + 2), [&](double* sum) {
    status = add_up(call, blocks, run, sum);
    if (status.code != Code::ok) return;
    scale(static_cast<T*>(call.args.out.data), call.formula.terms(measure(call, sum)).x, sum, call.d);
  });
  return enough ? status : no_memory();
}

// Writes the gradients of one row, given those of N (`by_space`) and D (`by_time`); returns its contribution to the
// gradient of c.
template <class T>
double midpoint_vjp_row(const MidpointCall<T>& call, std::int64_t i, const double* by_space, double by_time) {
  const T* x = call.point(i);
  const Conformal lambda = conformal(call, x);
  const double weight = call.weight(i), along = dot(x, by_space, call.d);
  const double by_lambda = weight * (along + by_time);
  if (T* to = static_cast<T*>(call.args.grads[0].data); to != nullptr) {
    blend<1, true, false>(to + i * call.d, Vectors<T>{x, nullptr, nullptr}, by_space, call.d,
                          {.x = 2 * by_lambda * lambda.by_square, .w = weight * lambda.factor});
  }
  if (T* to = static_cast<T*>(call.args.grads[1].data); to != nullptr) {
    to[i] = static_cast<T>((along * lambda.factor + by_time * (lambda.factor - 1)) / call.unit);
  }
  return by_lambda * lambda.by_c;
}

template <class T>
Status midpoint_vjp(const MidpointCall<T>& call, const Run& run) {
  const Blocks blocks(call.rows, call.d);
  const std::int64_t size = (blocks.count + 1) * (call.d + 2);
  Status status;
  const bool enough = with_doubles(size + blocks.count, [&](double* sum) {
    status = add_up(call, blocks, run, sum);
    if (status.code != Code::ok) return;
    const T* w = static_cast<const T*>(call.args.cotangent.data);
    RowSlopes slopes;
    call.formula.slopes(measure(call, sum), {.x = dot(sum, w, call.d)}, slopes);
    double *by_space = sum, *by_c = sum + size;  // reuses the memory of the sum
    scale(by_space, 2 * slopes.x2, sum, call.d);
    axpy(by_space, slopes.terms.x, w, call.d);
    status = for_blocks(run, blocks.count, [&](std::int64_t block) {
      by_c[block] = 0;
      for (std::int64_t i = blocks.begin(block); i < blocks.end(block); ++i) {
        by_c[block] += midpoint_vjp_row(call, i, by_space, slopes.time);
      }
    });
    if (double* to = call.args.grad_scalars; to != nullptr) {
      to[0] = slopes.c;
      to[1] = 0;
      for (std::int64_t block = 0; block < blocks.count; ++block) to[0] += by_c[block];
    }
  });
  return enough ? status : no_memory();
}

}  // namespace
}  // namespace horoball::rowwise
