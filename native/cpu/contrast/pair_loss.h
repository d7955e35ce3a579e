// Pair losses over anchors with any number of positives, forward and backward (ops/losses/card.h has the mathematics).
//
// For every anchor, the forward pass computes the log-sum-exp of its negatives, as contrast.h does, and sums over its
// positives, which are in few tiles. A loss that reads sums of pair_term() then processes those tiles again. The weight of
// a negative pair with logit u is the sum of exp(u - reference_[i]) over its anchors i. The backward pass is therefore the
// same as in contrast.h, except that the weights of tiles with positives are computed in advance.
//
// Anchors without terms, without negatives or with weight 0, and the rows of the reference matrix, are silent: their
// `reference_` is +infinity, so they add nothing to the weight of a negative pair.
#pragma once

#include "cpu/contrast/marked.h"
#include "cpu/contrast/pass.h"
#include "cpu/contrast/positives.h"

namespace horoball {
namespace {

// The memory of one worker, in addition to its ContrastWorker.
template <class T>
struct PairWorker {
  T* marks;
  PositiveSums<T>*down, *across;
  TileSums<T>*log_down, *log_across;
  T *row_log, *column_log;
};

template <class T>
class PairLoss : ContrastPass<T, GroupMap> {
  using Pass = ContrastPass<T, GroupMap>;
  using Pass::each_block;
  using Pass::each_pair;
  using Pass::h_;
  using Pass::kSide;
  using Pass::map_;
  using Pass::run_;
  using Pass::terms_;
  using Pass::tiles_;
  using typename Pass::V;

 public:
  PairLoss(const PairLossArgs& args, const Run& run, const Positives& positives,
           const SimilarityParameters& parameters, const LossTerms<T>& loss)
      : Pass(run, logit_of(args, loss.factor), positives.map<T>(), args.euclidean.cols,
             side_of(args.euclidean, args.ref_euclidean, args.grad_euclidean, args.grad_ref_euclidean),
             side_of(args.hyperbolic, args.ref_hyperbolic, args.grad_hyperbolic, args.grad_ref_hyperbolic)),
        args_(args),
        positives_(positives),
        parameters_(parameters),
        loss_(loss) {}

  Status compute() {
    const bool backward = this->wants_gradients() || args_.grad_params != nullptr;
    this->plan(backward || loss_.pair_terms);
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); },
        [&] {
          each_block([&](std::int64_t block) { prepare(block); });
          each_pair([&](const auto&... pair) { forward_pair(pair...); });
          each_block([&](std::int64_t block) { finish_negatives(block); });
          if (loss_.pair_terms) each_pair([&](const auto&... pair) { add_terms(pair...); });
          if (loss_.balanced) balance();
          each_block([&](std::int64_t block) { finish_block(block); });
          const double share = report_loss();
          if (!backward) return;
          this->backward(share, args_.grad_params, [&](const auto&... pair) { return softmax_of(pair...); });
          if (args_.grad_params == nullptr) return;
          args_.grad_params[kTauE] /= loss_.factor;
          args_.grad_params[kTauH] /= loss_.factor;
        });
  }

 private:
  struct BlockSums {
    double loss = 0, weight = 0;
  };

  static ContrastSide<T> side_of(ConstMatrix rows, ConstMatrix refs, Matrix gradient, Matrix ref_gradient) {
    return {{static_cast<const T*>(rows.data), static_cast<const T*>(refs.data)},
            {static_cast<T*>(gradient.data), static_cast<T*>(ref_gradient.data)}};
  }

  void allocate(Arena& arena) {
    const std::int64_t padded = map_.count * kSide;
    for (LogSums<T>* sums : {&negatives_, &positive_logs_}) {
      *sums = {arena.allocate<T>(padded), arena.allocate<T>(padded), arena.allocate<T>(padded), nullptr};
    }
    negative_log_ = arena.allocate<T>(padded);
    reference_ = arena.allocate<T>(padded);
    for (T** each : {&center_, &factor_, &offset_}) *each = arena.allocate<T>(padded);
    sums_ = arena.allocate<AnchorSums>(padded);
    block_sums_ = arena.allocate<BlockSums>(map_.count);
    Pass::allocate(arena);
    workers_ = arena.allocate<PairWorker<T>>(tiles_.workers);
    for (int w = 0; w < tiles_.workers; ++w) {
      PairWorker<T> unused;
      PairWorker<T>& to = workers_ == nullptr ? unused : workers_[w];
      to = {arena.allocate<T>(kSide * kSide),
            arena.allocate<PositiveSums<T>>(1),
            arena.allocate<PositiveSums<T>>(1),
            arena.allocate<TileSums<T>>(1),
            arena.allocate<TileSums<T>>(1),
            arena.allocate<T>(kSide),
            arena.allocate<T>(kSide)};
    }
  }

  bool is_anchor(std::int64_t block) const { return map_.group(block) == 0; }
  // Whether the columns of a tile are anchors too, and not the same block as its rows.
  bool both(const BlockPair& pair) const { return is_anchor(pair.j) && pair.i != pair.j; }
  Anchors<T> anchors(std::int64_t block) const {
    const std::int64_t at = block * kSide;
    return {center_ + at, factor_ + at, offset_ + at};
  }

  // --- forward ---
  void prepare(std::int64_t block) {
    for (std::int64_t at = block * kSide; at < (block + 1) * kSide; ++at) {
      for (const LogSums<T>* sums : {&negatives_, &positive_logs_}) {
        sums->top[at] = static_cast<T>(kNone);
        sums->total[at] = sums->first[at] = 0;
      }
      reference_[at] = static_cast<T>(HUGE_VAL);
      negative_log_[at] = center_[at] = factor_[at] = offset_[at] = 0;
      sums_[at] = {};
    }
    block_sums_[block] = {};
    this->prepare_rows(block);
  }

  template <class Wait>
  void forward_pair(const BlockPair& pair, int number, const Wait& wait_for_round) {
    const ContrastWorker<T>& worker = tiles_.worker[number];
    const PairWorker<T>& own = workers_[number];
    tiles_.fill_tile(pair, worker);
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = this->tile_of(pair, x, y, number);
    terms_.logits(tile, worker.logits);
    mask_logits(worker.logits, tile.rows, tile.columns, tile.diagonal);
    const bool marked = positives_.mark(map_, pair, own.marks);
    if (marked) {
      split_positives(worker.logits, own.marks, tile.rows, tile.columns, static_cast<T>(loss_.rate),
                      *own.down, *own.across);
      if (loss_.log_sum) add_logs(pair, tile, own.marks, *own.log_down, *own.log_across, *worker.halves);
    }
    add_logs(pair, tile, worker.logits, *worker.down, *worker.across, *worker.halves);
    wait_for_round();
    merge_logs(pair, tile, *worker.down, *worker.across, negatives_);
    if (!marked) return;
    each_anchor(pair, tile, *own.down, *own.across, [](AnchorSums& sums, double count, double total) {
      sums.positives += count;
      sums.sum += total;
    });
    if (loss_.log_sum) merge_logs(pair, tile, *own.log_down, *own.log_across, positive_logs_);
  }

  void add_logs(const BlockPair& pair, const PairTile<T>& tile, const T* logits, TileSums<T>& down,
                TileSums<T>& across, TileHalves<T>& halves) const {
    find_largest(logits, tile.rows, tile.columns, down, across);
    if (is_anchor(pair.j)) {
      add_tile(logits, tile.rows, tile.columns, 0, 0, down, across, halves);
    } else {
      add_rows(logits, tile.rows, tile.columns, 0, down);
    }
  }

  void merge_logs(const BlockPair& pair, const PairTile<T>& tile, const TileSums<T>& down,
                  const TileSums<T>& across, const LogSums<T>& to) const {
    merge(down, tile.rows, to, pair.i * kSide);
    if (both(pair)) merge(across, tile.columns, to, pair.j * kSide);
  }

  // Calls body(sums, first, second) for every anchor of a tile, with its AnchorSums and its two entries of `down` or
  // `across`.
  template <class Body>
  void each_anchor(const BlockPair& pair, const PairTile<T>& tile, const PositiveSums<T>& down,
                   const PositiveSums<T>& across, Body body) {
    const auto each = [&](std::int64_t block, std::int64_t count, const PositiveSums<T>& from) {
      for (std::int64_t i = 0; i < count; ++i) {
        body(sums_[block * kSide + i], static_cast<double>(from.first[i]),
             static_cast<double>(from.second[i]));
      }
    };
    each(pair.i, tile.rows, down);
    if (both(pair)) each(pair.j, tile.columns, across);
  }

  double log_of(const LogSums<T>& sums, std::int64_t at) const {
    return static_cast<double>(sums.top[at]) + log_total(static_cast<double>(sums.total[at]));
  }

  void finish_negatives(std::int64_t block) {
    if (!is_anchor(block)) return;
    for (std::int64_t at = block * kSide; at < block * kSide + map_.size(block); ++at) {
      sums_[at].negative_log = log_of(negatives_, at);
      negative_log_[at] = static_cast<T>(sums_[at].negative_log);
    }
  }

  template <class Wait>
  void add_terms(const BlockPair& pair, int number, const Wait& wait_for_round) {
    const ContrastWorker<T>& worker = tiles_.worker[number];
    const PairWorker<T>& own = workers_[number];
    if (!positives_.mark(map_, pair, own.marks)) return wait_for_round();
    if (!tiles_.keeps_tiles) tiles_.fill_tile(pair, worker);
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = this->tile_of(pair, x, y, number);
    terms_.logits(tile, worker.logits);
    loss_.add_pair_terms(parameters_, {tile, own.marks, worker.logits, both(pair)},
                         negative_log_ + pair.i * kSide, negative_log_ + pair.j * kSide, *own.down,
                         *own.across);
    wait_for_round();
    each_anchor(pair, tile, *own.down, *own.across, [](AnchorSums& sums, double value, double slope) {
      sums.value += value;
      sums.slope += slope;
    });
  }

  // --- the loss, and the values per anchor ---
  double candidates() const {
    return static_cast<double>(map_.is_symmetric() ? map_.anchors.samples - 1 : map_.references.samples);
  }

  double given_weight(std::int64_t row) const { return args_.weights == nullptr ? 1 : args_.weights[row]; }

  // Sets the `balance` of every anchor to the total weight of all anchors divided by the total weight of those with positives.
  // Leaves it at 1 if the reduction is a sum, or if that divisor is 0.
  void balance() {
    if (args_.reduction == Reduction::sum || candidates() == 0) return;
    double all = 0, with_positives = 0;
    const auto each = [&](const auto& body) {
      for (std::int64_t block = 0; block < map_.count; ++block) {
        if (!is_anchor(block)) continue;
        const BlockRows<T> rows = tiles_.source(h_, block);
        for (std::int64_t i = 0; i < map_.size(block); ++i) body(sums_[block * kSide + i], rows.index(i));
      }
    };
    each([&](const AnchorSums& sums, std::int64_t row) {
      all += given_weight(row);
      if (sums.positives > 0) with_positives += given_weight(row);
    });
    if (!(with_positives > 0)) return;
    each([&](AnchorSums& sums, std::int64_t) { sums.balance = all / with_positives; });
  }

  void finish_block(std::int64_t block) {
    if (!is_anchor(block)) return;
    const double others = candidates();
    const BlockRows<T> rows = tiles_.source(h_, block);
    BlockSums& total = block_sums_[block];
    for (std::int64_t i = 0; i < map_.size(block); ++i) {
      const std::int64_t at = block * kSide + i, row = rows.index(i);
      AnchorSums& sums = sums_[at];
      sums.negatives = others - sums.positives;
      // With a single positive its logit is used directly, without the rounding error of log(exp(u)).
      sums.positive_log = sums.positives == 1 ? loss_.rate * sums.sum : log_of(positive_logs_, at);
      const AnchorTerms terms = loss_.terms(parameters_, sums);
      if (args_.losses != nullptr) args_.losses[row] = terms.count > 0 ? terms.loss / terms.count : 0;
      const double given = given_weight(row);
      if (!(terms.count > 0) || given == 0) continue;
      const double weight = args_.reduction == Reduction::anchor_mean ? given / terms.count : given;
      total.loss += weight * terms.loss;
      total.weight += weight * terms.count;
      if (sums.negatives > 0) reference_[at] = static_cast<T>(terms.reference - std::log(weight));
      center_[at] = static_cast<T>(terms.anchor.center);
      factor_[at] = static_cast<T>(weight * terms.anchor.factor);
      offset_[at] = static_cast<T>(weight * terms.anchor.offset);
    }
  }

  // Writes the loss. Returns the factor by which the reduction multiplies all weights.
  double report_loss() {
    BlockSums total;
    for (std::int64_t b = 0; b < map_.count; ++b) {
      total.loss += block_sums_[b].loss;
      total.weight += block_sums_[b].weight;
    }
    double share = 1;
    if (args_.reduction != Reduction::sum) share = total.weight > 0 ? 1 / total.weight : 0;
    *args_.loss = total.weight > 0 ? total.loss * share : 0;
    return share;
  }

  // --- backward ---
  Softmax<T> softmax_of(const BlockPair& pair, const PairTile<T>& tile, int number) {
    const ContrastWorker<T>& worker = tiles_.worker[number];
    const PairWorker<T>& own = workers_[number];
    const T *row_log = reference_ + pair.i * kSide, *column_log = reference_ + pair.j * kSide;
    TileHalves<T>& halves = *worker.halves;
    halves.shared = false;
    const bool rows_only = !is_anchor(pair.j);
    if (!rows_only && share_exponentials(row_log, tile.rows, column_log, tile.columns, own, halves)) {
      row_log = own.row_log;
      column_log = own.column_log;
    }
    Softmax<T> softmax{row_log, column_log, nullptr, nullptr, halves, false, rows_only};
    if (!positives_.mark(map_, pair, own.marks)) return softmax;
    terms_.logits(tile, worker.logits);
    loss_.weigh(parameters_, {tile, own.marks, worker.logits, both(pair)}, softmax, anchors(pair.i),
                anchors(pair.j));
    softmax.weights = worker.logits;
    return softmax;
  }

  // Fills `halves` so that each pair of the tile needs only one exponential (see kMaxSpread), and copies the references to
  // `own`. Those of silent anchors are infinite and would exceed kMaxSpread, so their copies are replaced with the lowest
  // reference, and their `fall` is set to 0. Returns false if the references of the other anchors differ too much, or if all
  // anchors are silent.
  static bool share_exponentials(const T* rows, std::int64_t row_count, const T* columns,
                                 std::int64_t column_count, const PairWorker<T>& own, TileHalves<T>& halves) {
    const T silent = static_cast<T>(HUGE_VAL);
    T lowest = silent;
    for (std::int64_t i = 0; i < row_count; ++i) lowest = rows[i] < lowest ? rows[i] : lowest;
    for (std::int64_t j = 0; j < column_count; ++j) lowest = columns[j] < lowest ? columns[j] : lowest;
    if (lowest == silent) return false;
    const auto copy = [&](const T* from, std::int64_t count, T* to) {
      for (std::int64_t i = 0; i < kSide; ++i) to[i] = i < count && from[i] != silent ? from[i] : lowest;
    };
    copy(rows, row_count, own.row_log);
    copy(columns, column_count, own.column_log);
    halves.set(own.row_log, row_count, own.column_log, column_count);
    if (!halves.shared) return false;
    const auto quiet = [&](const T* from, std::int64_t count, Halves<T>& of) {
      for (std::int64_t i = 0; i < count; ++i) {
        if (from[i] == silent) of.fall[i] = 0;
      }
    };
    quiet(rows, row_count, halves.rows);
    quiet(columns, column_count, halves.columns);
    return true;
  }

  const PairLossArgs& args_;
  const Positives& positives_;
  const SimilarityParameters parameters_;
  const LossTerms<T> loss_;
  LogSums<T> negatives_{}, positive_logs_{};
  T *negative_log_ = nullptr, *reference_ = nullptr, *center_ = nullptr, *factor_ = nullptr,
    *offset_ = nullptr;
  AnchorSums* sums_ = nullptr;
  BlockSums* block_sums_ = nullptr;
  PairWorker<T>* workers_ = nullptr;
};

Status pair_loss(const PairLossArgs& args, const Run& run) {
  const Status valid = check_pair_loss(args);
  if (valid.code != Code::ok) return valid;
  for (const Matrix& gradient :
       {args.grad_euclidean, args.grad_hyperbolic, args.grad_ref_euclidean, args.grad_ref_hyperbolic})
    huge_pages_for(gradient, args.type);
  const SimilarityParameters parameters{args.alpha, args.beta, args.base, args.margin};
  Positives positives(args);
  Status status;
  const Status outer = with_scratch(
      run, [&](Arena& arena) { positives.allocate(arena); },
      [&] {
        positives.sort();
        status = with_type(args.type, [&]<class T>() {
          const LossTerms<T> loss = loss_terms_of<T>(static_cast<int>(args.variant), parameters);
          return PairLoss<T>(args, run, positives, parameters, loss).compute();
        });
      });
  return outer.code != Code::ok ? outer : status;
}

}  // namespace
}  // namespace horoball
