// The contrastive loss over all ordered pairs of views, forward and backward. All pairs of views share one symmetric
// matrix of logits, which is processed block by block (plan.h): each tile serves both its rows and its columns.
//
// Odds (ops/contrast.h) defines N_ab, L_ab and S+ for an anchor in view a and its positive in view b. A negative in
// view b with the logit S has the weight exp(S - L_ab). A negative in view a counts for every b: its weight, the sum
// of exp(S - L_ab) over b, is exp(S - R) with R = -log(sum over b of exp(-L_ab)), which `top` stores for view a. The
// positive has the weight exp(S+ - L_ab) - 1, which Odds computes without cancellation.
//
// A rank that computes only a part (ContrastPart) has complete sums of its own samples after the forward pass. The weights
// of their pairs with samples of other ranks also need the L_ab and R of those samples, so the ranks exchange these values
// before the backward pass.
#pragma once

#include "cpu/contrast/pass.h"

namespace horoball {
namespace {

// Sums over a block, or over all blocks of a rank, from which the loss and the accuracy are computed.
struct ContrastSums {
  double loss = 0, hits = 0;
};

template <class T>
class Contrast : ContrastPass<T, BlockMap> {
  using Pass = ContrastPass<T, BlockMap>;
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
  Contrast(const ContrastArgs& args, const Run& run)
      : Pass(run, logit_of(args), divide_views<T>(args.euclidean.rows, args.views, args.order, args.part),
             args.euclidean.cols, side_of(args, args.euclidean, args.grad_euclidean),
             side_of(args, args.hyperbolic, args.grad_hyperbolic)),
        args_(args) {
    if (args.part == nullptr) return;
    rank_ = args.part->rank;
    ranks_ = args.part->ranks;
    for (std::int64_t rank = 0; rank < ranks_; ++rank) {
      const std::int64_t classes = args.part->starts[rank + 1] - args.part->starts[rank];
      if (classes > most_classes_) most_classes_ = classes;
    }
  }

  Status compute() {
    const bool backward = this->wants_gradients() || args_.grad_params != nullptr;
    this->plan(backward);
    const Status status = with_scratch(
        run_, [&](Arena& arena) { allocate(arena); },
        [&] {
          each_block([&](std::int64_t block) { prepare(block); });
          each_pair([&](const auto&... pair) { forward_pair(pair...); });
          each_block([&](std::int64_t block) { finish_block(block); });
          report_loss();
          if (args_.stats != nullptr) report_stats();
          if (!gather_references() || !backward) return;
          this->backward(term_weight(), args_.grad_params,
                         [&](const auto&... pair) { return softmax_of(pair...); });
          if (args_.grad_params != nullptr) add_params();
        });
    // Otherwise the exchange of the gradients, which follows, would need this memory in addition.
    if (args_.part != nullptr) free_kept_scratch();
    if (status.code == Code::ok && !gathered_)
      return {Code::internal, "another rank failed to compute its part of the loss"};
    return status;
  }

 private:
  static constexpr std::int64_t kParams = kC + 1;

  static ContrastSide<T> side_of(const ContrastArgs& args, ConstMatrix rows, Matrix gradient) {
    return {{static_cast<const T*>(rows.data)},
            {static_cast<T*>(gradient.data)},
            args.part == nullptr ? 0 : args.part->first_row};
  }

  void allocate(Arena& arena) {
    const std::int64_t entries = map_.count * kSide * map_.views;
    state_ = {arena.allocate<T>(entries), arena.allocate<T>(entries), arena.allocate<T>(entries),
              arena.allocate<T>(entries)};
    sums_ = arena.allocate<ContrastSums>(map_.count);
    stats_ = arena.allocate<ContrastStats>(map_.count * map_.views);
    rank_sums_ = arena.allocate<ContrastSums>(ranks_);
    rank_stats_ = arena.allocate<ContrastStats>(ranks_ * map_.views * map_.views);
    references_ = arena.allocate<T>(ranks_ * references_per_rank());
    rank_params_ = arena.allocate<double>(ranks_ * kParams);
    Pass::allocate(arena);
  }

  // Returns the index in the arrays of LogSums at which the entries for `block` and `view` begin.
  std::int64_t place(std::int64_t view, std::int64_t block) const {
    return (view * map_.count + block) * kSide;
  }

  // Whether the pairs on the diagonal are positive.
  bool has_positives(const BlockPair& pair) const {
    return map_.view(pair.i) != map_.view(pair.j) && map_.first_class(pair.i) == map_.first_class(pair.j);
  }

  // Returns the weight of each term in the loss: 1/classes, divided by the number of ordered pairs of views if the loss is
  // the mean over them.
  double term_weight() const {
    const double pairs = static_cast<double>(map_.views * (map_.views - 1));
    return 1 / (static_cast<double>(map_.classes) * (args_.mean ? pairs : 1));
  }

  // --- forward: logits, and their sums per sample and view ---
  void prepare(std::int64_t block) {
    for (std::int64_t view = 0; view < map_.views; ++view) {
      const std::int64_t at = place(view, block);
      for (std::int64_t i = 0; i < kSide; ++i) {
        state_.top[at + i] = static_cast<T>(kNone);
        state_.total[at + i] = 0;
        state_.first[at + i] = Bits<T>::kHuge;
        state_.positive[at + i] = 0;
      }
      stats_[block * map_.views + view] = {HUGE_VAL, 0, -HUGE_VAL, 0};
    }
    sums_[block] = {};
    this->prepare_rows(block);
  }

  template <class Wait>
  void forward_pair(const BlockPair& pair, int number, const Wait& wait_for_round) {
    const ContrastWorker<T>& worker = tiles_.worker[number];
    tiles_.fill_tile(pair, worker);
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = this->tile_of(pair, x, y, number);
    terms_.logits(tile, worker.logits);
    const bool shared = map_.is_shared(pair), counts = map_.view(pair.i) < map_.view(pair.j);
    TileStats stats{};
    if (counts && args_.stats != nullptr) stats = stats_of(worker.logits, tile.rows, tile.columns);
    const bool positives = has_positives(pair);
    if (positives) store_positives(pair, worker.logits);
    mask_logits(worker.logits, tile.rows, tile.columns, tile.diagonal || positives);
    find_largest(worker.logits, tile.rows, tile.columns, *worker.down, *worker.across);
    const std::int64_t row_class = map_.first_class(pair.i), column_class = map_.first_class(pair.j);
    if (shared) {
      add_rows(worker.logits, tile.rows, tile.columns, column_class, *worker.down);
    } else {
      add_tile(worker.logits, tile.rows, tile.columns, row_class, column_class, *worker.down, *worker.across,
               *worker.halves);
    }
    wait_for_round();
    if (counts) add_stats(pair, stats);
    merge(*worker.down, tile.rows, state_, place(map_.view(pair.j), pair.i));
    if (!shared && !tile.diagonal)
      merge(*worker.across, tile.columns, state_, place(map_.view(pair.i), pair.j));
  }

  void add_stats(const BlockPair& pair, const TileStats& stats) {
    ContrastStats& recorded = stats_[pair.i * map_.views + map_.view(pair.j)];
    if (stats.least < recorded.min) recorded.min = stats.least;
    recorded.mean += stats.sum;
  }

  void store_positives(const BlockPair& pair, const T* logits) {
    T* of_rows = state_.positive + place(map_.view(pair.j), pair.i);
    T* of_columns = state_.positive + place(map_.view(pair.i), pair.j);
    for (std::int64_t i = 0; i < map_.size(pair.i); ++i) of_rows[i] = of_columns[i] = logits[i * kSide + i];
  }

  // --- the loss, its softmax denominators and the statistics ---
  void finish_block(std::int64_t block) {
    if (!map_.is_own(block)) return;
    const std::int64_t own = map_.view(block), size = map_.size(block);
    const LogSums<T>& state = state_;
    ContrastSums& sums = sums_[block];
    for (std::int64_t i = 0; i < size; i += V::kLanes) {
      const std::int64_t own_at = place(own, block) + i;
      const LogSum<V> own_sum{V::load(state.top + own_at), V::load(state.total + own_at), V(T(0))};
      const V column = V::ramp() + V(static_cast<T>(i)), zero(T(0)), one(T(1));
      const auto real = column < V(static_cast<T>(size));
      const V label = column + V(static_cast<T>(map_.first_class(block)));
      V lowest(Bits<T>::kHuge), inverse = zero;  // exp(-L_ab) summed over b, as inverse * exp(-lowest)
      for (std::int64_t view = 0; view < map_.views; ++view) {
        if (view == own) continue;
        const std::int64_t at = place(view, block) + i;
        const V top = V::load(state.top + at), positive = V::load(state.positive + at);
        LogSum<V> negatives{top, V::load(state.total + at), V(T(0))};
        negatives.merge(own_sum);
        const Odds<V> odds(negatives.top, log_total(negatives.total), positive, map_.classes == 1);
        odds.whole.store(state.top + at);
        odds.miss.store(state.positive + at);
        sums.loss += static_cast<double>(sum(where(real, odds.loss, zero)));
        const V first = min(V::load(state.first + at), where(positive == top, label, V(Bits<T>::kHuge)));
        const V best = where(positive > top, label, first);
        sums.hits += static_cast<double>(sum(where(real, where(best == label, one, zero), zero)));
        ContrastStats& recorded = stats_[block * map_.views + view];
        const V highest = where(real, max(positive, top), V(static_cast<T>(kNone)));
        const double most_here = static_cast<double>(most(highest));
        if (most_here > recorded.max) recorded.max = most_here;
        const V next = min(lowest, odds.whole);
        inverse = fma(inverse, exp(next - lowest), exp(next - odds.whole));
        lowest = next;
      }
      (lowest - log(inverse)).store(state.top + own_at);
    }
  }

  void report_loss() {
    ContrastSums& own = rank_sums_[rank_] = {};
    for (std::int64_t b = 0; b < map_.count; ++b) {
      own.loss += sums_[b].loss;
      own.hits += sums_[b].hits;
    }
    gather(rank_sums_, 1);
    ContrastSums total;
    for (std::int64_t rank = 0; rank < ranks_; ++rank) {
      total.loss += rank_sums_[rank].loss;
      total.hits += rank_sums_[rank].hits;
    }
    hits_ = total.hits;
    if (args_.loss != nullptr) *args_.loss = total.loss * term_weight();
  }

  // Averages the statistics over pairs of views. Each pair of blocks occurs once, with the earlier view as rows.
  void report_stats() {
    const std::int64_t views = map_.views;
    each_pair_of_views([&](std::int64_t a, std::int64_t b) {
      ContrastStats& own = rank_stats_[(rank_ * views + a) * views + b] = {HUGE_VAL, 0, -HUGE_VAL, 0};
      for (std::int64_t block = a * map_.per_view; block < (a + 1) * map_.per_view; ++block)
        add_part(own, stats_[block * views + b]);
    });
    gather(rank_stats_, views * views);
    ContrastStats total;
    each_pair_of_views([&](std::int64_t a, std::int64_t b) {
      ContrastStats pair{HUGE_VAL, 0, -HUGE_VAL, 0};
      for (std::int64_t rank = 0; rank < ranks_; ++rank)
        add_part(pair, rank_stats_[(rank * views + a) * views + b]);
      total.min += pair.min;
      total.max += pair.max;
      total.mean += pair.mean;
    });
    const double pairs = static_cast<double>(views * (views - 1) / 2);
    const double classes = static_cast<double>(map_.classes);
    *args_.stats = {total.min / pairs, total.mean / (pairs * classes * classes), total.max / pairs,
                    hits_ / (2 * pairs * classes)};
  }

  template <class Body>
  void each_pair_of_views(Body body) const {
    for (std::int64_t a = 0; a < map_.views; ++a) {
      for (std::int64_t b = a + 1; b < map_.views; ++b) body(a, b);
    }
  }

  static void add_part(ContrastStats& to, const ContrastStats& part) {
    if (part.min < to.min) to.min = part.min;
    if (part.max > to.max) to.max = part.max;
    to.mean += part.mean;
  }

  // --- ranks ---
  // Fills `all` with `count` entries per rank, in rank order. The caller has already stored those of this rank in `all`.
  template <class Number>
  void gather(Number* all, std::int64_t count) {
    const ContrastPart* part = args_.part;
    if (part == nullptr || !gathered_) return;
    const auto bytes = count * static_cast<std::int64_t>(sizeof(Number));
    gathered_ = !is_cancelled(run_) && part->gather(part->context, all + rank_ * count, bytes, all);
  }

  std::int64_t references_per_rank() const { return most_classes_ * map_.views * map_.views; }

  // Exchanges L_ab and R between the ranks, which completes `top` for all samples. Returns false if a rank failed or this one
  // was canceled. Without ranks, does nothing and returns true.
  bool gather_references() {
    if (args_.part == nullptr) return true;
    each_block([&](std::int64_t block) {
      if (map_.is_own(block)) each_reference(block, [](T& gathered, T top) { gathered = top; });
    });
    gather(references_, references_per_rank());
    if (!gathered_) return false;
    each_block([&](std::int64_t block) {
      if (!map_.is_own(block)) each_reference(block, [](T gathered, T& top) { top = gathered; });
    });
    return true;
  }

  // Calls body(x, y) for each sample of a block and each view, where x and y are the entries in `references_` and `top`.
  template <class Body>
  void each_reference(std::int64_t block, Body body) const {
    const std::int64_t* starts = args_.part->starts;
    std::int64_t rank = 0;
    for (std::int64_t i = 0; i < map_.size(block); ++i) {
      const std::int64_t label = map_.first_class(block) + i;
      while (label >= starts[rank + 1]) ++rank;
      const std::int64_t sample = (label - starts[rank]) * map_.views + map_.view(block);
      T* gathered = references_ + rank * references_per_rank() + sample * map_.views;
      for (std::int64_t view = 0; view < map_.views; ++view)
        body(gathered[view], state_.top[place(view, block) + i]);
    }
  }

  // Sums the parameter gradients over the ranks. A pair of samples from two ranks contributes one half on each rank.
  void add_params() {
    if (args_.part == nullptr) return;
    for (int k = 0; k < kParams; ++k) rank_params_[rank_ * kParams + k] = args_.grad_params[k];
    gather(rank_params_, kParams);
    for (int k = 0; k < kParams; ++k) {
      args_.grad_params[k] = 0;
      for (std::int64_t rank = 0; rank < ranks_; ++rank)
        args_.grad_params[k] += rank_params_[rank * kParams + k];
    }
  }

  // --- backward ---
  Softmax<T> softmax_of(const BlockPair& pair, const PairTile<T>& tile, int worker) const {
    const std::int64_t row_place = place(map_.view(pair.j), pair.i),
                       column_place = place(map_.view(pair.i), pair.j);
    TileHalves<T>& halves = *tiles_.worker[worker].halves;
    halves.set(state_.top + row_place, tile.rows, state_.top + column_place, tile.columns);
    return {state_.top + row_place,
            state_.top + column_place,
            state_.positive + row_place,
            state_.positive + column_place,
            halves,
            has_positives(pair)};
  }

  const ContrastArgs& args_;
  LogSums<T> state_{};
  ContrastSums* sums_ = nullptr;
  ContrastStats* stats_ = nullptr;  // [block][view]; only views after the block's own are reported
  double hits_ = 0;

  std::int64_t rank_ = 0, ranks_ = 1;
  std::int64_t most_classes_ = 0;        // the largest number of classes of a rank; 0 without ranks
  bool gathered_ = true;                 // false after a rank failed or was canceled
  ContrastSums* rank_sums_ = nullptr;    // [rank]
  ContrastStats* rank_stats_ = nullptr;  // [rank][view][view]
  T* references_ = nullptr;              // [rank][sample][view]
  double* rank_params_ = nullptr;        // [rank][parameter]
};

Status contrast(const ContrastArgs& args, const Run& run) {
  huge_pages_for(args.grad_euclidean, args.type);
  huge_pages_for(args.grad_hyperbolic, args.type);
  return with_type(args.type, [&]<class T>() { return Contrast<T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
