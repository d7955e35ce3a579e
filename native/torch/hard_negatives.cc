// Euclidean contrastive loss with explicit hard-negative strength beta: Robinson, Chuang, Sra and Jegelka
// 2021 (arXiv 2010.04592), without their correction for false negatives (tau+ = 0). A control for studies: it
// tests whether weighting alone explains the effect of a geometry.
//
// With B classes, an anchor of view a has one positive, of view b, and 2 (B - 1) negatives k, of both views. The logit of
// two embeddings x and y is s = <x, y> / tau. With logit s+ for the positive and s_k for negative k,
//   R = sum_k exp((1 + beta) s_k) / mean_k exp(beta s_k),   loss = log(exp(s+) + R) - s+.
// So dloss/ds_k = W ((1 + beta) softmax_k((1 + beta) s) - beta softmax_k(beta s)) with W = R / (exp(s+) + R),
// and dloss/ds+ = -W. With beta = 0 this is the usual contrastive loss. Everything is in float64 and the logits of all
// pairs are stored, because a control need not be fast.
#include "hard_negatives.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace horoball::train {
namespace {

// A row-major matrix of doubles.
struct Grid {
  explicit Grid(std::int64_t rows, std::int64_t cols)
      : cols(cols), data(static_cast<std::size_t>(rows * cols)) {}
  double* row(std::int64_t i) { return data.data() + i * cols; }
  const double* row(std::int64_t i) const { return data.data() + i * cols; }

  std::int64_t cols;
  std::vector<double> data;
};

template <class T>
Grid wide(const ConstMatrix& x) {
  Grid out(x.rows, x.cols);
  const T* from = static_cast<const T*>(x.data);
  std::copy(from, from + x.rows * x.cols, out.data.begin());
  return out;
}

double log_sum_exp(const std::vector<double>& values, double factor) {
  const double top = factor * *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += std::exp(factor * value - top);
  return top + std::log(sum);
}

class Loss {
 public:
  Loss(const ContrastArgs& args, double beta, Grid rows)
      : args_(args),
        beta_(beta),
        rows_(std::move(rows)),
        count_(args.euclidean.rows),
        classes_(count_ / args.views),
        logits_(count_, count_),
        slopes_(count_, count_) {}

  void run(const Flag* cancel) {
    for (std::int64_t i = 0; i < count_; ++i) {
      poll(cancel);
      for (std::int64_t j = 0; j <= i; ++j) {
        double product = 0;
        for (std::int64_t k = 0; k < rows_.cols; ++k) product += rows_.row(i)[k] * rows_.row(j)[k];
        logits_.row(i)[j] = logits_.row(j)[i] = product / args_.tau_e;
      }
    }
    const std::int64_t pairs = args_.views * (args_.views - 1);
    share_ = 1.0 / static_cast<double>(classes_ * (args_.mean ? pairs : 1));
    for (std::int64_t a = 0; a < args_.views; ++a)
      for (std::int64_t b = 0; b < args_.views; ++b)
        if (a != b) add_pair(a, b);
    *args_.loss = loss_;
    if (args_.stats != nullptr) {
      const double n = static_cast<double>(pairs);
      *args_.stats = {stats_.min / n, stats_.mean / n, stats_.max / n, stats_.accuracy / n};
    }
  }

  template <class T>
  void gradient() const {
    T* out = static_cast<T*>(args_.grad_euclidean.data);
    std::vector<double> sum(static_cast<std::size_t>(rows_.cols));
    for (std::int64_t i = 0; i < count_; ++i) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t j = 0; j < count_; ++j) {
        const double slope = (slopes_.row(i)[j] + slopes_.row(j)[i]) / args_.tau_e;
        for (std::int64_t k = 0; k < rows_.cols; ++k) sum[k] += slope * rows_.row(j)[k];
      }
      for (std::int64_t k = 0; k < rows_.cols; ++k) out[i * rows_.cols + k] = static_cast<T>(sum[k]);
    }
  }

  double gradient_in_temperature() const {
    double sum = 0;
    for (std::size_t at = 0; at < slopes_.data.size(); ++at) sum -= slopes_.data[at] * logits_.data[at];
    return sum / args_.tau_e;
  }

 private:
  std::int64_t row_of(std::int64_t label, std::int64_t view) const {
    const std::int64_t at = label * args_.views + view;
    return args_.order == nullptr ? at : args_.order[at];
  }

  void add_pair(std::int64_t a, std::int64_t b) {
    double low = std::numeric_limits<double>::infinity(), high = -low, sum = 0, hits = 0;
    for (std::int64_t i = 0; i < classes_; ++i) {
      const double* row = logits_.row(row_of(i, a));
      std::int64_t best = 0;
      for (std::int64_t j = 0; j < classes_; ++j) {
        const double logit = row[row_of(j, b)];
        low = std::min(low, logit);
        high = std::max(high, logit);
        sum += logit;
        if (logit > row[row_of(best, b)]) best = j;
      }
      hits += best == i ? 1 : 0;
      add_anchor(i, a, b);
    }
    const double n = static_cast<double>(classes_);
    stats_.min += low;
    stats_.max += high;
    stats_.mean += sum / (n * n);
    stats_.accuracy += hits / n;
  }

  void add_anchor(std::int64_t label, std::int64_t a, std::int64_t b) {
    const std::int64_t anchor = row_of(label, a), positive = row_of(label, b);
    const double* row = logits_.row(anchor);
    negatives_.clear();
    values_.clear();
    for (std::int64_t j = 0; j < classes_; ++j) {
      if (j == label) continue;
      for (const std::int64_t view : {a, b}) {
        negatives_.push_back(row_of(j, view));
        values_.push_back(row[negatives_.back()]);
      }
    }
    if (values_.empty()) return;  // with a single class the loss is 0, as in the core
    const double hard = log_sum_exp(values_, 1 + beta_), weight = log_sum_exp(values_, beta_);
    const double mass = hard - weight + std::log(static_cast<double>(values_.size()));  // log R
    // The log odds of the negatives: the loss is log1p(exp(odds)), which is accurate when it is small.
    const double odds = mass - row[positive];
    loss_ += share_ * (std::max(odds, 0.0) + std::log1p(std::exp(-std::abs(odds))));
    const double w = share_ / (1 + std::exp(-odds));
    slopes_.row(anchor)[positive] -= w;
    for (std::size_t k = 0; k < values_.size(); ++k) {
      const double share = (1 + beta_) * std::exp((1 + beta_) * values_[k] - hard);
      slopes_.row(anchor)[negatives_[k]] += w * (share - beta_ * std::exp(beta_ * values_[k] - weight));
    }
  }

  const ContrastArgs& args_;
  const double beta_;
  const Grid rows_;
  const std::int64_t count_, classes_;
  Grid logits_, slopes_;
  double share_ = 1, loss_ = 0;
  ContrastStats stats_{0, 0, 0, 0};
  std::vector<std::int64_t> negatives_;
  std::vector<double> values_;
};

template <class T>
void run(const ContrastArgs& args, double beta, const Flag* cancel) {
  Loss loss(args, beta, wide<T>(args.euclidean));
  loss.run(cancel);
  if (args.grad_euclidean.data != nullptr) loss.gradient<T>();
  if (args.grad_params == nullptr) return;
  std::fill(args.grad_params, args.grad_params + 4, 0.0);
  args.grad_params[0] = loss.gradient_in_temperature();
}

}  // namespace

void hard_negatives(const ContrastArgs& args, double beta, const Flag* cancel) {
  if (args.type == Type::f64)
    run<double>(args, beta, cancel);
  else
    run<float>(args, beta, cancel);
}

}  // namespace horoball::train
