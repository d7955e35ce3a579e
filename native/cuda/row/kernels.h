// The kernels of the row-wise families, most of them with one warp per row. For a sum over rows, each warp first sums a
// range of rows; the sums of the warps are then added in a fixed order.
#pragma once

#include "cuda/row/warp.h"

namespace horoball::gpu {
namespace {

// ---- Operations on independent rows ----

template <class T>
__global__ void row_forward(const __grid_constant__ RowView<T> v) {
  const std::int64_t i = warp();
  if (i >= v.rows) return;
  State s = v.start();
  const Vectors<T> row = v.row(i);
  if (v.lifted_in) s.time = static_cast<double>(v.inputs[0][i * v.steps[0]]);
  measure(s, v.op, row, v.d);
  const RowTerms<double> k = terms_of(v.op, s);
  T* out = v.out + i * v.out_cols;
  if (v.number || v.lifted_out) {
    if (lane() == 0) *out = static_cast<T>(k.value);
    ++out;
  }
  if (v.number) return;
  const Mix mix{k.x, k.y, k.p, k.u, 0, s.beta};
  for (std::int64_t j = lane(); j < v.d; j += 32)
    out[j] = static_cast<T>(mixed(mix, row, static_cast<const T*>(nullptr), j));
  if (!v.held_inside) return;
  __syncwarp();
  const double square = v.c * warp_dot(out, out, v.d);
  if (!(square > 1)) return;
  for (std::int64_t j = lane(); j < v.d; j += 32)
    out[j] = static_cast<T>(static_cast<double>(out[j]) / std::sqrt(square));
}

// Sums over rows, one set per warp: the gradients of c, of the parameter t, and of inputs that are a single broadcast row.
struct RowSums {
  std::int64_t warps;
  double* scalars;    // [warp][2]
  double* shared[3];  // [warp][columns], or null
};

template <class T>
__device__ void vjp_row(const RowView<T>& v, const RowSums& sums, std::int64_t i, std::int64_t w,
                        double (&scalars)[2]) {
  State s = v.start();
  const Vectors<T> row = v.row(i);
  if (v.lifted_in) s.time = static_cast<double>(v.inputs[0][i * v.steps[0]]);
  measure(s, v.op, row, v.d);
  RowWeights weights;
  const T* cotangent = v.cotangent + i * v.out_cols;
  if (v.number || v.lifted_out) weights.value = static_cast<double>(*cotangent++);
  const double beta = s.beta;
  if (!v.number) {
    weights.x = warp_dot(row.x, cotangent, v.d);
    if (row.y != nullptr) {
      weights.y = warp_dot(row.y, cotangent, v.d);
      weights.p = warp_sum(
          v.d, [=](std::int64_t k) { return row.pair(beta, k) * static_cast<double>(cotangent[k]); });
    }
    if (row.u != nullptr) weights.u = warp_dot(row.u, cotangent, v.d);
  }
  if (v.pair_scaled && row.y != nullptr) {
    weights.py =
        warp_sum(v.d, [=](std::int64_t k) { return row.pair(beta, k) * static_cast<double>(row.y[k]); });
  }
  RowSlopes slopes{};
  slopes_of(v.op, s, weights, slopes);
  scalars[0] += slopes.c;
  scalars[1] += slopes.t;
  for (int which = 0; which < v.vectors; ++which) {
    if (v.grads[which] == nullptr) continue;
    const Mix mix = gradient_mix(which, slopes, s.beta);
    const int skip = which == 0 && v.lifted_in ? 1 : 0;
    double* shared = sums.shared[which] == nullptr ? nullptr : sums.shared[which] + w * v.cols[which];
    T* to = v.grads[which] + i * v.cols[which];
    const auto put = [&](std::int64_t k, double value) {
      if (shared != nullptr) {
        shared[k] += value;
      } else {
        to[k] = static_cast<T>(value);
      }
    };
    if (skip == 1 && lane() == 0) put(0, slopes.time);
    for (std::int64_t k = lane(); k < v.d; k += 32) {
      put(k + skip, mixed(mix, row, v.number ? nullptr : cotangent, k));
    }
    __syncwarp();
  }
}

template <class T>
__global__ void row_backward(const __grid_constant__ RowView<T> v, const __grid_constant__ RowSums sums) {
  const std::int64_t w = warp();
  if (w >= sums.warps) return;
  double scalars[2] = {};
  const std::int64_t last = v.rows * (w + 1) / sums.warps;
  for (std::int64_t i = v.rows * w / sums.warps; i < last; ++i) vjp_row(v, sums, i, w, scalars);
  if (lane() != 0) return;
  sums.scalars[2 * w] = scalars[0];
  sums.scalars[2 * w + 1] = scalars[1];
}

// to[j] = sum over i of terms[i][j]. A block has `width` columns, a power of 2: the fewer columns, the more
// threads share the terms of each.
template <class T>
__global__ void sum_columns(const double* terms, std::int64_t count, std::int64_t cols, int width, T* to) {
  __shared__ double sums[kThreads];
  const int me = static_cast<int>(threadIdx.x), line = me / width, lines = kThreads / width;
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * width + me % width;
  double total = 0;
  if (j < cols) {
    for (std::int64_t i = line; i < count; i += lines) total += terms[i * cols + j];
  }
  sums[me] = total;
  __syncthreads();
  for (int step = lines / 2; step > 0; step /= 2) {
    if (line < step) sums[me] += sums[me + step * width];
    __syncthreads();
  }
  if (line == 0 && j < cols) to[j] = static_cast<T>(sums[me]);
}

// ---- Matrix-vector products: each result is h = M x times the factor of the card ----

// Computes h = M x, one warp per element.
template <class T>
__global__ void matvec_products(const __grid_constant__ RowView<T> v, std::int64_t height, double* h) {
  const std::int64_t at = warp();
  if (at >= v.rows * height) return;
  const double value = warp_dot(v.inputs[0] + at % height * v.d, v.inputs[1] + at / height * v.d, v.d);
  if (lane() == 0) h[at] = value;
}

template <class T>
__device__ State matvec_state(const RowView<T>& v, std::int64_t i, std::int64_t height, const double* h) {
  State s = v.start();
  const Norm x = warp_norm(s, v.inputs[1] + i * v.d, v.d);
  s.x2 = x.square;
  s.a = x.inside;
  s.y2 = warp_dot(h + i * height, h + i * height, height);
  return s;
}

template <class T>
__global__ void matvec_forward(const __grid_constant__ RowView<T> v, std::int64_t height, const double* h) {
  const std::int64_t i = warp();
  if (i >= v.rows) return;
  const double factor = terms_of(v.op, matvec_state(v, i, height, h)).y;
  for (std::int64_t k = lane(); k < height; k += 32)
    v.out[i * height + k] = static_cast<T>(factor * h[i * height + k]);
}

// Overwrites h with the gradient with respect to h, and writes the gradients with respect to x and, per row, to c.
template <class T>
__global__ void matvec_backward(const __grid_constant__ RowView<T> v, std::int64_t height, double* h,
                                double* by_c) {
  const std::int64_t i = warp();
  if (i >= v.rows) return;
  const State s = matvec_state(v, i, height, h);
  const T* w = v.cotangent + i * height;
  RowWeights weights;
  weights.y = warp_dot(h + i * height, w, height);
  RowSlopes slopes{};
  slopes_of(v.op, s, weights, slopes);
  for (std::int64_t k = lane(); k < height; k += 32) {
    h[i * height + k] = 2 * slopes.y2 * h[i * height + k] + slopes.terms.y * static_cast<double>(w[k]);
  }
  __syncwarp();
  if (lane() == 0) by_c[i] = slopes.c;
  if (v.grads[1] == nullptr) return;
  for (std::int64_t j = lane(); j < v.d; j += 32) {
    double sum = 2 * slopes.x2 * static_cast<double>(v.inputs[1][i * v.d + j]);
    for (std::int64_t k = 0; k < height; ++k)
      sum += h[i * height + k] * static_cast<double>(v.inputs[0][k * v.d + j]);
    v.grads[1][i * v.d + j] = static_cast<T>(sum);
  }
}

// Writes the gradient with respect to M, one thread per element.
template <class T>
__global__ void matvec_matrix(const __grid_constant__ RowView<T> v, std::int64_t height, const double* by_h) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= height * v.d) return;
  const std::int64_t k = at / v.d, j = at % v.d;
  double sum = 0;
  for (std::int64_t i = 0; i < v.rows; ++i)
    sum += by_h[i * height + k] * static_cast<double>(v.inputs[1][i * v.d + j]);
  v.grads[0][at] = static_cast<T>(sum);
}

// ---- Midpoints: N times the factor of the card, from the sums N (space), D (time) and W (weights) on the hyperboloid ----

// The conformal factor of a point, and its derivatives with respect to |x|^2 and c.
struct Conformal {
  double factor, by_square, by_c;
};
template <class T>
__device__ Conformal conformal(const RowView<T>& v, const T* x) {
  const Norm n = warp_norm(v.start(), x, v.d);
  const double factor = 2 / n.inside;
  const double slope = rowwise::on_rim(n.inside) && !v.hypmix ? 0 : factor * factor / 2;
  return {factor, slope * v.c, slope * n.square};
}
// Two kernels find the number by which all weights are divided. In the first, each of `parts` threads finds the largest
// weight of its part; in the second, one thread computes the number from these.
template <class T>
__global__ void largest_weights(const __grid_constant__ RowView<T> v, std::int64_t parts, double* largest) {
  const std::int64_t part = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (part >= parts) return;
  double most = 0;
  for (std::int64_t i = part; i < v.rows; i += parts) {
    const double weight = static_cast<double>(v.inputs[1][i]);
    most = weight > most ? weight : most;
  }
  largest[part] = most;
}
template <class T>
__global__ void unit_of_weights(const __grid_constant__ RowView<T>, std::int64_t parts, double* largest) {
  if (threadIdx.x != 0) return;
  double most = 0;
  for (std::int64_t i = 0; i < parts; ++i) most = largest[i] > most ? largest[i] : most;
  largest[0] = rowwise::weight_unit(most);
}

// Returns the weight of point i divided by `*unit`, or 1 if `unit` is null because there are no weights.
template <class T>
__device__ double weight_of(const RowView<T>& v, std::int64_t i, const double* unit) {
  return unit == nullptr ? 1 : static_cast<double>(v.inputs[1][i]) / *unit;
}

// Sums N, D and W over one range of points per warp, and writes them to the warp's d + 2 entries of `sums`.
template <class T>
__global__ void midpoint_sums(const __grid_constant__ RowView<T> v, std::int64_t warps, const double* unit,
                              double* sums) {
  const std::int64_t w = warp();
  if (w >= warps) return;
  double* sum = sums + w * (v.d + 2);
  for (std::int64_t k = lane(); k < v.d; k += 32) sum[k] = 0;
  double time = 0, total = 0;
  const std::int64_t last = v.rows * (w + 1) / warps;
  for (std::int64_t i = v.rows * w / warps; i < last; ++i) {
    const T* x = v.inputs[0] + i * v.d;
    const double lambda = conformal(v, x).factor, weight = weight_of(v, i, unit);
    for (std::int64_t k = lane(); k < v.d; k += 32) sum[k] += weight * lambda * static_cast<double>(x[k]);
    time += weight * (lambda - 1);
    total += weight;
  }
  if (lane() != 0) return;
  sum[v.d] = time;
  sum[v.d + 1] = total;
}

template <class T>
__device__ State midpoint_state(const RowView<T>& v, const double* sum) {
  State s = v.start();
  s.x2 = warp_dot(sum, sum, v.d);
  s.time = sum[v.d];
  s.t = sum[v.d + 1];
  return s;
}

// Writes the midpoint, in one warp.
template <class T>
__global__ void midpoint_forward(const __grid_constant__ RowView<T> v, const double* sum) {
  const double factor = terms_of(v.op, midpoint_state(v, sum)).x;
  for (std::int64_t k = lane(); k < v.d; k += 32) v.out[k] = static_cast<T>(factor * sum[k]);
}

// Writes the gradients with respect to N, D and c to `by`, in one warp.
template <class T>
__global__ void midpoint_slopes(const __grid_constant__ RowView<T> v, const double* sum, double* by) {
  RowWeights weights;
  weights.x = warp_dot(sum, v.cotangent, v.d);
  RowSlopes slopes{};
  slopes_of(v.op, midpoint_state(v, sum), weights, slopes);
  for (std::int64_t k = lane(); k < v.d; k += 32)
    by[k] = 2 * slopes.x2 * sum[k] + slopes.terms.x * static_cast<double>(v.cotangent[k]);
  if (lane() != 0) return;
  by[v.d] = slopes.time;
  by[v.d + 1] = slopes.c;
}

template <class T>
__global__ void midpoint_backward(const __grid_constant__ RowView<T> v, const double* unit, const double* by,
                                  double* by_c) {
  const std::int64_t i = warp();
  if (i >= v.rows) return;
  const T* x = v.inputs[0] + i * v.d;
  const Conformal lambda = conformal(v, x);
  const double weight = weight_of(v, i, unit), along = warp_dot(x, by, v.d), time = by[v.d];
  const double by_lambda = weight * (along + time);
  if (v.grads[0] != nullptr) {
    for (std::int64_t k = lane(); k < v.d; k += 32) {
      v.grads[0][i * v.d + k] = static_cast<T>(2 * by_lambda * lambda.by_square * static_cast<double>(x[k]) +
                                               weight * lambda.factor * by[k]);
    }
  }
  if (lane() != 0) return;
  if (v.grads[1] != nullptr) {
    const double by_weight = along * lambda.factor + time * (lambda.factor - 1);
    v.grads[1][i] = static_cast<T>(unit == nullptr ? by_weight : by_weight / *unit);
  }
  by_c[i] = by_lambda * lambda.by_c + (i == 0 ? by[v.d + 1] : 0);
}

// ---- Planes: every row against every class, with a card that maps three vectors to a number ----

template <class T>
__device__ Vectors<T> plane_vectors(const RowView<T>& v, std::int64_t i, std::int64_t k) {
  return {v.inputs[0] + i * v.d, v.inputs[1] + k * v.d, v.inputs[2] + k * v.d};
}

template <class T>
__global__ void planes_forward(const __grid_constant__ RowView<T> v, std::int64_t classes) {
  const std::int64_t at = warp();
  if (at >= v.rows * classes) return;
  State s = v.start();
  measure(s, v.op, plane_vectors(v, at / classes, at % classes), v.d);
  const double value = terms_of(v.op, s).value;
  if (lane() == 0) v.out[at] = static_cast<T>(value);
}

// Sums the gradients of each owner over one part of its partners, with one warp per owner and part. With `by_rows`, owners
// are rows and partners are classes, otherwise the reverse. `sums` is [input][part][owner][coordinate].
template <class T>
__global__ void planes_backward(const __grid_constant__ RowView<T> v, std::int64_t classes, bool by_rows,
                                std::int64_t parts, double* sums, double* by_c) {
  const std::int64_t owners = by_rows ? v.rows : classes, others = by_rows ? classes : v.rows, w = warp();
  if (w >= parts * owners) return;
  const std::int64_t owner = w % owners, part = w / owners, stride = parts * owners * v.d;
  const int first = by_rows ? 0 : 1, last = by_rows ? 0 : 2;
  double* sum = sums + w * v.d;
  for (int which = first; which <= last; ++which) {
    for (std::int64_t j = lane(); j < v.d; j += 32) sum[(which - first) * stride + j] = 0;
  }
  double curvature = 0;
  for (std::int64_t other = others * part / parts; other < others * (part + 1) / parts; ++other) {
    const std::int64_t i = by_rows ? owner : other, k = by_rows ? other : owner;
    const Vectors<T> vectors = plane_vectors(v, i, k);
    State s = v.start();
    measure(s, v.op, vectors, v.d);
    RowWeights weights;
    weights.value = static_cast<double>(v.cotangent[i * classes + k]);
    RowSlopes slopes{};
    slopes_of(v.op, s, weights, slopes);
    curvature += slopes.c;
    for (int which = first; which <= last; ++which) {
      const Mix mix = gradient_mix(which, slopes, s.beta);
      for (std::int64_t j = lane(); j < v.d; j += 32) {
        sum[(which - first) * stride + j] += mixed(mix, vectors, static_cast<const T*>(nullptr), j);
      }
    }
  }
  if (by_rows && lane() == 0) by_c[w] = curvature;
}

}  // namespace
}  // namespace horoball::gpu
