// The row-wise operations: selects the family and launches its kernels.
#include "cuda/families.h"
#include "cuda/row/kernels.h"

namespace horoball::gpu {
namespace {

using rowwise::RowFamily;
using rowwise::RowInfo;
using rowwise::RowResult;

struct CardFacts {
  const RowInfo* info;
  bool pair_scaled, held_inside;
};

template <class... Cards>
CardFacts facts_among(rowwise::RowList<Cards...>, int op) {
  static const CardFacts all[] = {{&Cards::kInfo, Cards::kPairScaled, Cards::kHeldInside}...};
  return all[op];
}

template <class T>
class RowCall {
 public:
  RowCall(int device, const RowArgs& args, const Run& run)
      : args_(args), facts_(facts_among(rowwise::RowCards{}, args.op)), call_(device, run) {
    const RowInfo& info = *facts_.info;
    v_.op = args.op;
    v_.vectors = info.vectors();
    v_.hypmix = args.guards == Guards::hypmix;
    v_.lifted_in = info.lifted_input;
    v_.lifted_out = info.result == RowResult::lifted;
    v_.number = info.result == RowResult::number;
    v_.pair_scaled = facts_.pair_scaled;
    v_.held_inside = facts_.held_inside;
    v_.c = args.c;
    v_.t = args.parameter;
    v_.rows = args.rows;
    v_.d = args.inputs[0].cols - (info.lifted_input ? 1 : 0);
    for (int i = 0; i < v_.vectors; ++i) {
      const ConstMatrix& input = args.inputs[i];
      v_.inputs[i] = call_.template in<T>(input.data, input.rows * input.cols);
      v_.cols[i] = input.cols;
      v_.steps[i] = input.rows == 1 ? 0 : input.cols;
    }
  }

  Status forward() {
    v_.out = call_.template out<T>(args_.out.data, args_.out.rows * args_.out.cols);
    v_.out_cols = args_.out.cols;
    switch (facts_.info->family) {
      case RowFamily::matvec: {
        const std::int64_t height = args_.inputs[0].rows;
        double* h = products(height);
        call_.launch(matvec_forward<T>, warps_to_blocks(v_.rows), kThreads, v_, height, h);
        break;
      }
      case RowFamily::midpoint:
        call_.launch(midpoint_forward<T>, 1, 32, v_, midpoint_sum(weight_unit()));
        break;
      case RowFamily::planes: {
        const std::int64_t classes = args_.inputs[1].rows;
        call_.launch(planes_forward<T>, warps_to_blocks(v_.rows * classes), kThreads, v_, classes);
        break;
      }
      case RowFamily::row:
        call_.launch(row_forward<T>, warps_to_blocks(v_.rows), kThreads, v_);
        break;
    }
    return call_.finish();
  }

  Status backward() {
    v_.cotangent = call_.template in<T>(args_.cotangent.data, args_.cotangent.rows * args_.cotangent.cols);
    v_.out_cols = args_.cotangent.cols;
    for (int i = 0; i < v_.vectors; ++i) {
      v_.grads[i] = call_.template out<T>(args_.grads[i].data, args_.grads[i].rows * args_.grads[i].cols);
    }
    scalars_ = call_.template out<double>(args_.grad_scalars, 2);
    switch (facts_.info->family) {
      case RowFamily::matvec:
        matvec();
        break;
      case RowFamily::midpoint:
        midpoint();
        break;
      case RowFamily::planes:
        planes();
        break;
      case RowFamily::row:
        rows();
        break;
    }
    return call_.finish();
  }

 private:
  // Returns the number of warps that share a sum over rows.
  std::int64_t warps() const { return max(1, min(v_.rows, 4 * call_.busy())); }

  template <class To>
  void sum_up(const double* terms, std::int64_t count, std::int64_t cols, To* to) {
    int width = 1;
    while (width < 32 && width < cols) width *= 2;
    if (to != nullptr)
      call_.launch(sum_columns<To>, ceil_div(cols, width), kThreads, terms, count, cols, width, to);
  }

  // Sums the `count` terms of the gradient of c. The gradient of the card's parameter is 0.
  void sum_curvature(const double* by_c, std::int64_t count) {
    call_.clear(scalars_, 2);
    sum_up(by_c, count, 1, scalars_);
  }

  void rows() {
    RowSums sums{warps(), nullptr, {}};
    sums.scalars = call_.template scratch<double>(2 * sums.warps);
    for (int i = 0; i < v_.vectors; ++i) {
      if (v_.grads[i] == nullptr || args_.inputs[i].rows != 1 || v_.rows == 1) continue;
      sums.shared[i] = call_.template scratch<double>(sums.warps * v_.cols[i]);
      call_.clear(sums.shared[i], sums.warps * v_.cols[i]);
    }
    call_.launch(row_backward<T>, warps_to_blocks(sums.warps), kThreads, v_, sums);
    sum_up(sums.scalars, sums.warps, 2, scalars_);
    for (int i = 0; i < v_.vectors; ++i) {
      if (sums.shared[i] != nullptr) sum_up(sums.shared[i], sums.warps, v_.cols[i], v_.grads[i]);
    }
  }

  double* products(std::int64_t height) {
    double* h = call_.template scratch<double>(v_.rows * height);
    call_.launch(matvec_products<T>, warps_to_blocks(v_.rows * height), kThreads, v_, height, h);
    return h;
  }

  void matvec() {
    const std::int64_t height = args_.inputs[0].rows;
    double *h = products(height), *by_c = call_.template scratch<double>(v_.rows);
    call_.launch(matvec_backward<T>, warps_to_blocks(v_.rows), kThreads, v_, height, h, by_c);
    if (v_.grads[0] != nullptr)
      call_.launch(matvec_matrix<T>, ceil_div(height * v_.d, kThreads), kThreads, v_, height, h);
    sum_curvature(by_c, v_.rows);
  }

  // Returns the number by which the weights are divided, in device memory, or null if there are no weights.
  const double* weight_unit() {
    if (v_.inputs[1] == nullptr) return nullptr;
    const std::int64_t parts = min(v_.rows, kThreads);
    if (parts == 0) return nullptr;
    double* largest = call_.template scratch<double>(parts);
    call_.launch(largest_weights<T>, 1, kThreads, v_, parts, largest);
    call_.launch(unit_of_weights<T>, 1, 32, v_, parts, largest);
    return largest;
  }

  double* midpoint_sum(const double* unit) {
    const std::int64_t size = v_.d + 2, count = warps();
    double *parts = call_.template scratch<double>(count * size), *sum = call_.template scratch<double>(size);
    call_.launch(midpoint_sums<T>, warps_to_blocks(count), kThreads, v_, count, unit, parts);
    sum_up(parts, count, size, sum);
    return sum;
  }

  void midpoint() {
    const double *unit = weight_unit(), *sum = midpoint_sum(unit);
    double *by = call_.template scratch<double>(v_.d + 2), *by_c = call_.template scratch<double>(v_.rows);
    call_.launch(midpoint_slopes<T>, 1, 32, v_, sum, by);
    call_.launch(midpoint_backward<T>, warps_to_blocks(v_.rows), kThreads, v_, unit, by, by_c);
    sum_curvature(by_c, v_.rows);
  }

  // Computes the gradients of rows, or of classes. If these are few, the sum of each is divided into parts.
  void planes(bool by_rows) {
    const std::int64_t classes = args_.inputs[1].rows, owners = by_rows ? v_.rows : classes,
                       others = by_rows ? classes : v_.rows;
    const std::int64_t parts = max(1, min(others, ceil_div(4 * call_.busy(), max(1, owners))));
    const std::int64_t warps = parts * owners, first = by_rows ? 0 : 1, last = by_rows ? 0 : 2;
    double* sums = call_.template scratch<double>((last - first + 1) * warps * v_.d);
    double* by_c = by_rows ? call_.template scratch<double>(warps) : nullptr;
    call_.launch(planes_backward<T>, warps_to_blocks(warps), kThreads, v_, classes, by_rows, parts, sums,
                 by_c);
    for (std::int64_t which = first; which <= last; ++which)
      sum_up(sums + (which - first) * warps * v_.d, parts, owners * v_.d, v_.grads[which]);
    if (by_rows) sum_curvature(by_c, warps);
  }

  void planes() {
    planes(true);
    if (v_.grads[1] != nullptr || v_.grads[2] != nullptr) planes(false);
  }

  const RowArgs& args_;
  const CardFacts facts_;
  Call call_;
  RowView<T> v_{};
  double* scalars_ = nullptr;
};

}  // namespace

Status row(int device, const RowArgs& args, const Run& run) {
  if (const Status checked = check_row(args, false); checked.code != Code::ok) return checked;
  return with_type(args.type, [&]<class T>() { return RowCall<T>(device, args, run).forward(); });
}

Status row_vjp(int device, const RowArgs& args, const Run& run) {
  if (const Status checked = check_row(args, true); checked.code != Code::ok) return checked;
  return with_type(args.type, [&]<class T>() { return RowCall<T>(device, args, run).backward(); });
}

}  // namespace horoball::gpu
