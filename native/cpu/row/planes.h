// For every row x and every class, evaluates a card that maps three vectors (x, and the point p and the normal a of the
// class's hyperplane) to a number. The card's pair is the difference x - p (formula.cc checks it).
//
// Rows are processed in groups of four, so that each element of p and a is loaded once per group. The squared norms, and
// <p, a>, are computed once per call. Gradients are computed in two passes over chunks of the rows: the first one stores
// the slopes of every pair and sums over classes, the second one sums over rows.
#pragma once

#include "cpu/row/row.h"

namespace horoball::rowwise {
namespace {

constexpr int kGroup = 4;

template <class V>
inline V broadcast(double x) {
  return x - V{};
}

// sum + a b
inline double plus_product(double sum, double a, double b) { return sum + a * b; }
inline Wide plus_product(Wide sum, Vec<double> a, Vec<double> b) { return fma(a, b, Vec<double>(sum)).raw; }

// The scalars of a row or a class that do not depend on the other one.
struct PointScalars {
  double square, inside;
};
struct PlaneScalars {
  PointScalars point;
  double normal_square, along;  // |a|^2, <p, a>
};

// What the gradients need of the rows of a group and one class. A row's entries are 0 if the chunk has fewer rows.
struct GroupSlopes {
  double difference[kGroup];  // the factor of x - p in the gradient of x
  double normal[kGroup];      // the factor of a in the gradient of x, and of x - p in that of a
  double point = 0;           // the factor of p in the gradient of p
  double along = 0;           // the derivative with respect to <p, a>, with <x - p, a> fixed
  double length = 0;          // the factor of a in the gradient of a
};

template <class T>
struct PlanesCall {
  const RowArgs& args;
  const RowFormula& formula;
  std::int64_t rows, classes, d;

  PlanesCall(const RowArgs& a, const RowFormula& f)
      : args(a), formula(f), rows(a.rows), classes(a.inputs[1].rows), d(a.inputs[0].cols) {}

  const T* vector(int which, std::int64_t i) const {
    return static_cast<const T*>(args.inputs[which].data) + i * d;
  }
  T* gradient(int which, std::int64_t i) const {
    T* to = static_cast<T*>(args.grads[which].data);
    return to == nullptr ? nullptr : to + i * d;
  }
  PointScalars point(int which, std::int64_t i) const {
    const Square n = square(vector(which, i), d);
    return {n.value(), row_inside(args.guards == Guards::hypmix, args.c, n.high, n.low)};
  }
  Status measure_planes(PlaneScalars* out, const Run& run) const {
    const Blocks blocks(classes, 3 * d);
    return for_blocks(run, blocks.count, [&](std::int64_t block) {
      for (std::int64_t k = blocks.begin(block); k < blocks.end(block); ++k) {
        const T *p = vector(1, k), *a = vector(2, k);
        out[k] = {point(1, k), dot(a, a, d), dot(p, a, d)};
      }
    });
  }
};

// Up to kGroup consecutive rows, and their sums with one class.
template <class T>
struct RowGroup {
  std::int64_t count;
  const T* x[kGroup];  // beyond `count`, the last row again
  PointScalars scalars[kGroup];
  double square[kGroup], along[kGroup];  // |x - p|^2, <x - p, a>

  RowGroup(const PlanesCall<T>& call, std::int64_t first, std::int64_t end)
      : count(min(end - first, kGroup)) {
    for (int r = 0; r < kGroup; ++r) {
      const std::int64_t i = first + min(r, count - 1);
      x[r] = call.vector(0, i);
      scalars[r] = call.point(0, i);
    }
  }

  void add_up(const T* p, const T* a, std::int64_t d) {
    Wide squares[kGroup] = {}, alongs[kGroup] = {};
    const std::int64_t whole = d / kLanes * kLanes;
    for (std::int64_t i = 0; i < whole; i += kLanes) {
      const Wide at = load<Wide>(p + i), normal = load<Wide>(a + i);
      for (int r = 0; r < kGroup; ++r) {
        const Wide q = load<Wide>(x[r] + i) - at;
        squares[r] = plus_product(squares[r], q, q);
        alongs[r] = plus_product(alongs[r], q, normal);
      }
    }
    for (int r = 0; r < kGroup; ++r) {
      square[r] = total(squares[r]);
      along[r] = total(alongs[r]);
      for (std::int64_t i = whole; i < d; ++i) {
        const double q = static_cast<double>(x[r][i]) - p[i];
        square[r] = plus_product(square[r], q, q);
        along[r] = plus_product(along[r], q, a[i]);
      }
    }
  }

  // Fills the scalars of row r and a class, after add_up().
  void fill(RowState<double>& s, int r, const PlaneScalars& plane) const {
    s.x2 = scalars[r].square;
    s.a = scalars[r].inside;
    s.y2 = plane.point.square;
    s.b = plane.point.inside;
    s.u2 = plane.normal_square;
    s.yu = plane.along;
    s.p2 = square[r];
    s.pu = along[r];
    s.xu = s.pu + s.yu;
    s.beta = -1;
  }
};

template <class T>
Status planes(const PlanesCall<T>& call, const Run& run) {
  const Scratch scratch(call.classes * sizeof(PlaneScalars) + 1);
  if (scratch.data == nullptr) return no_memory();
  auto* scalars = reinterpret_cast<PlaneScalars*>(scratch.data);
  const Status measured = call.measure_planes(scalars, run);
  if (measured.code != Code::ok) return measured;

  const Blocks groups(ceil_div(call.rows, kGroup), kGroup * 3 * call.d * call.classes);
  return for_blocks(run, groups.count, [&](std::int64_t block) {
    RowState<double> s = start_state(call.args);
    for (std::int64_t g = groups.begin(block); g < groups.end(block); ++g) {
      RowGroup<T> group(call, g * kGroup, call.rows);
      T* out = static_cast<T*>(call.args.out.data) + g * kGroup * call.classes;
      for (std::int64_t k = 0; k < call.classes; ++k) {
        group.add_up(call.vector(1, k), call.vector(2, k), call.d);
        for (int r = 0; r < group.count; ++r) {
          group.fill(s, r, scalars[k]);
          out[r * call.classes + k] = static_cast<T>(call.formula.terms(s).value);
        }
      }
    }
  });
}

// ---- Gradients -------------------------------------------------------------------------------------------

// Computes the slopes of the rows of a group with every class, and the factor of each x in its own gradient. Returns the
// contribution to the gradient of c.
template <class T>
double group_slopes(const PlanesCall<T>& call, const PlaneScalars* planes, std::int64_t first,
                    RowGroup<T>& group, GroupSlopes* out, double (&own)[kGroup]) {
  RowState<double> s = start_state(call.args);
  double by_c = 0;
  for (double& factor : own) factor = 0;
  const T* w = static_cast<const T*>(call.args.cotangent.data) + first * call.classes;
  for (std::int64_t k = 0; k < call.classes; ++k) {
    group.add_up(call.vector(1, k), call.vector(2, k), call.d);
    GroupSlopes& to = out[k] = {};
    for (int r = 0; r < group.count; ++r) {
      group.fill(s, r, planes[k]);
      RowSlopes slopes;
      call.formula.slopes(s, {.value = w[r * call.classes + k]}, slopes);
      own[r] += 2 * slopes.x2;
      to.difference[r] = 2 * slopes.p2;
      to.normal[r] = slopes.pu + slopes.xu;
      to.point += 2 * slopes.y2;
      to.along += slopes.yu + slopes.xu;
      to.length += 2 * slopes.u2;
      by_c += slopes.c;
    }
  }
  return by_c;
}

// Writes the gradients of the rows of a group.
template <class T>
void write_row_gradients(const PlanesCall<T>& call, std::int64_t first, const RowGroup<T>& group,
                         const GroupSlopes* slopes, const double (&own)[kGroup]) {
  const auto at = [&]<class V>(std::int64_t i) {
    V x[kGroup], sum[kGroup];
    for (int r = 0; r < kGroup; ++r) {
      x[r] = load<V>(group.x[r] + i);
      sum[r] = own[r] * x[r];
    }
    for (std::int64_t k = 0; k < call.classes; ++k) {
      const V p = load<V>(call.vector(1, k) + i), a = load<V>(call.vector(2, k) + i);
      for (int r = 0; r < kGroup; ++r) {
        sum[r] = plus_product(sum[r], broadcast<V>(slopes[k].difference[r]), x[r] - p);
        sum[r] = plus_product(sum[r], broadcast<V>(slopes[k].normal[r]), a);
      }
    }
    for (int r = 0; r < group.count; ++r) store(call.gradient(0, first + r) + i, sum[r]);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= call.d; i += kLanes) at.template operator()<Wide>(i);
  for (; i < call.d; ++i) at.template operator()<double>(i);
}

// Adds the gradients of the point and the normal of class k over the rows of a chunk to `by_point` and `by_normal`.
template <class T>
void add_plane_gradients(const PlanesCall<T>& call, std::int64_t k, std::int64_t first, std::int64_t end,
                         const GroupSlopes* slopes, double* by_point, double* by_normal) {
  const std::int64_t groups = ceil_div(end - first, kGroup);
  double point = 0, along = 0, length = 0, through = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    const GroupSlopes& each = slopes[g * call.classes + k];
    point += each.point;
    along += each.along;
    length += each.length;
    for (int r = 0; r < kGroup; ++r) through += each.normal[r];
  }
  const auto at = [&]<class V>(std::int64_t i) {
    const V p = load<V>(call.vector(1, k) + i), a = load<V>(call.vector(2, k) + i);
    V differences[kGroup] = {}, normals[kGroup] = {};
    for (std::int64_t g = 0; g < groups; ++g) {
      const GroupSlopes& each = slopes[g * call.classes + k];
      for (int r = 0; r < kGroup; ++r) {
        const V q = load<V>(call.vector(0, min(first + g * kGroup + r, end - 1)) + i) - p;
        differences[r] = plus_product(differences[r], broadcast<V>(each.difference[r]), q);
        normals[r] = plus_product(normals[r], broadcast<V>(each.normal[r]), q);
      }
    }
    const V difference = (differences[0] + differences[1]) + (differences[2] + differences[3]);
    const V normal = (normals[0] + normals[1]) + (normals[2] + normals[3]);
    store(by_point + i, load<V>(by_point + i) + (point * p - difference + (along - through) * a));
    store(by_normal + i, load<V>(by_normal + i) + (along * p + normal + length * a));
  };
  std::int64_t i = 0;
  for (; i + kLanes <= call.d; i += kLanes) at.template operator()<Wide>(i);
  for (; i < call.d; ++i) at.template operator()<double>(i);
}

template <class T>
Status planes_vjp(const PlanesCall<T>& call, const Run& run) {
  constexpr std::int64_t kChunkPairs = 1 << 15;  // their slopes are in the level 2 cache
  const std::int64_t classes = call.classes, d = call.d;
  const std::int64_t most = kChunkPairs / (kGroup * (classes > 0 ? classes : 1));
  const std::int64_t groups = min(ceil_div(call.rows, kGroup), most > 0 ? most : 1);
  const bool wants_planes = call.args.grads[1].data != nullptr || call.args.grads[2].data != nullptr;
  const std::int64_t sums = wants_planes ? 2 * classes * d : 0;

  struct Parts {
    PlaneScalars* scalars;
    GroupSlopes* slopes;
    double *totals, *by_c;
  };
  const auto divide = [&](Arena arena, std::uint64_t& bytes) {
    const Parts parts{arena.allocate<PlaneScalars>(classes), arena.allocate<GroupSlopes>(groups * classes),
                      arena.allocate<double>(sums), arena.allocate<double>(kMostBlocks)};
    bytes = arena.used();
    return parts;
  };
  std::uint64_t bytes = 0;
  divide(Arena(nullptr), bytes);
  const Scratch scratch(bytes);
  if (scratch.data == nullptr) return no_memory();
  const Parts parts = divide(Arena(scratch.data), bytes);
  Status status = call.measure_planes(parts.scalars, run);
  if (status.code != Code::ok) return status;
  clear(parts.totals, sums);

  double curvature = 0;
  for (std::int64_t first = 0; first < call.rows; first += groups * kGroup) {
    const std::int64_t end = min(first + groups * kGroup, call.rows);
    const Blocks by_row(ceil_div(end - first, kGroup), 6 * kGroup * d * classes);
    status = for_blocks(run, by_row.count, [&](std::int64_t block) {
      parts.by_c[block] = 0;
      for (std::int64_t g = by_row.begin(block); g < by_row.end(block); ++g) {
        const std::int64_t i = first + g * kGroup;
        RowGroup<T> group(call, i, end);
        GroupSlopes* slopes = parts.slopes + g * classes;
        double own[kGroup];
        parts.by_c[block] += group_slopes(call, parts.scalars, i, group, slopes, own);
        if (call.args.grads[0].data != nullptr) write_row_gradients(call, i, group, slopes, own);
      }
    });
    if (status.code != Code::ok) return status;
    for (std::int64_t block = 0; block < by_row.count; ++block) curvature += parts.by_c[block];
    if (!wants_planes) continue;
    const Blocks by_class(classes, 4 * d * (end - first));
    status = for_blocks(run, by_class.count, [&](std::int64_t block) {
      for (std::int64_t k = by_class.begin(block); k < by_class.end(block); ++k) {
        double* total = parts.totals + 2 * k * d;
        add_plane_gradients(call, k, first, end, parts.slopes, total, total + d);
      }
    });
    if (status.code != Code::ok) return status;
  }
  for (int which = 1; which <= 2 && wants_planes; ++which) {
    for (std::int64_t k = 0; k < classes; ++k) {
      T* to = call.gradient(which, k);
      if (to != nullptr) scale(to, 1, parts.totals + (2 * k + which - 1) * d, d);
    }
  }
  if (double* to = call.args.grad_scalars; to != nullptr) {
    to[0] = curvature;
    to[1] = 0;
  }
  return {};
}

}  // namespace
}  // namespace horoball::rowwise
