// The contrastive loss over all ordered pairs of views, forward and backward. One symmetric matrix of logits serves
// every pair of views, block by block (plan.h): a tile of it serves both its rows and its columns.
//
// For anchor i of view a and its positive S+ in view b: N_ab = logsumexp of its negatives in the views a and
// b, loss_ab(i) = log(1 + exp(N_ab - S+)), which keeps its digits however small it is, and
// L_ab = logaddexp(N_ab, S+). The weight of a negative in view b is exp(S - L_ab). For a negative in the anchor's
// own view it is the sum over b of exp(S - L_ab), so that entry stores -log sum exp(-L_ab). The weight of the
// positive is exp(S+ - L_ab) - 1 = -exp(N_ab - L_ab), which is never computed as that difference.
//
// The backward pass recomputes the logits of every tile, turns them into the weights of its pairs, and multiplies the
// weights by the rows of both sides. Sums over pairs of blocks have a fixed order (frame/schedule.h).
#pragma once

#include "cpu/contrast/tiles.h"
#include "cpu/frame/call.h"

namespace horoball {
namespace {

// Sums of a block from which the results are computed.
struct BlockSums {
  double loss = 0, hits = 0;
  ParamSums params;
};

// Adds weight (x_i - x_j) directly, because it would cancel in the product.
template <class T>
struct NearPairs {
  const BlockRows<T>& x_rows;
  const BlockRows<T>& y_rows;
  T* const* x_gradient;
  T* const* y_gradient;  // null if a block is paired with itself: then (j, i) is reported too
  std::int64_t depth;

  static void take(void* context, std::int64_t i, std::int64_t j, T weight) {
    const auto& self = *static_cast<const NearPairs*>(context);
    const T *x = self.x_rows.row(i), *y = self.y_rows.row(j);
    T* to = self.x_gradient[i];
    for (std::int64_t k = 0; k < self.depth; ++k) to[k] -= weight * (x[k] - y[k]);
    if (self.y_gradient == nullptr) return;
    to = self.y_gradient[j];
    for (std::int64_t k = 0; k < self.depth; ++k) to[k] += weight * (x[k] - y[k]);
  }
  static void ignore(void*, std::int64_t, std::int64_t, T) {}
};

template <class T>
class Contrast {
 public:
  Contrast(const ContrastArgs& args, const Run& run)
      : args_(args),
        run_(run),
        terms_(terms_of<T>(args)),
        geometry_(terms_of_geometry(static_cast<int>(args.geometry))),
        tied_(tied_radius(args.c, args.clip, args.guards == Guards::hypmix)),
        tiles_(args, terms_) {
    const double radius = args.tied ? tied_.radius : 1;
    scale_ = {static_cast<T>(1 / args.tau_e),
              static_cast<T>(geometry_.distance_weight(args.lambda, args.tau_h)),
              static_cast<T>(radius * radius), static_cast<T>(radius), static_cast<T>(HUGE_VAL)};
    if (scale_.h_weight == 0) scale_.infinite = kFarthest<T>;
    backward_ = e_.gradient != nullptr || h_.gradient != nullptr || args.grad_params != nullptr;
  }

  Status compute() {
    tiles_.plan(run_, backward_);
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); },
        [&] {
          each_block([&](std::int64_t block) { prepare(block); });
          each_pair([&](const auto&... pair) { forward_pair(pair...); });
          each_block([&](std::int64_t block) { finish_block(block); });
          report_loss();
          if (args_.stats != nullptr) report_stats();
          if (!backward_) return;
          each_block([&](std::int64_t block) { clear_gradient(block); });
          each_pair([&](const auto&... pair) { backward_pair(pair...); });
          each_block([&](std::int64_t block) { finish_gradient(block); });
          if (args_.grad_params != nullptr) report_params();
        });
  }

 private:
  using V = Vec<T>;
  static constexpr std::int64_t kSide = kBlock<T>;

  void allocate(Arena& arena) {
    const std::int64_t padded = map_.count * kSide, entries = padded * map_.views;
    state_ = {arena.allocate<T>(entries), arena.allocate<T>(entries), arena.allocate<T>(entries),
              arena.allocate<T>(entries)};
    lift_ = arena.allocate<double>(padded);
    sums_ = arena.allocate<BlockSums>(map_.count);
    stats_ = arena.allocate<ContrastStats>(map_.count * map_.views);
    completed_ = arena.allocate<std::atomic<std::int64_t>>(map_.count);
    tiles_.allocate(arena);
  }

  // --- blocks, and pairs of blocks ---
  template <class Body>
  void each_block(Body body) {
    for_each(tiles_.workers, map_.count, [&](std::int64_t block, int) { body(block); });
  }

  // Calls body(pair, worker, wait): what follows wait() happens in the order of the pairs.
  template <class Body>
  void each_pair(Body body) {
    const Rounds rounds(completed_, map_.count);
    for_each(tiles_.workers, map_.count * map_.count, [&](std::int64_t task, int worker) {
      const BlockPair pair = symmetric_pair(task, map_.count);
      if (pair.i > pair.j) return;
      const auto wait_for_round = [&] {
        rounds.wait(pair.i, pair.round);
        rounds.wait(pair.j, pair.round);
      };
      if (is_cancelled(run_)) {
        wait_for_round();
      } else {
        body(pair, tiles_.worker[worker], wait_for_round);
      }
      rounds.complete(pair.i, pair.round);
      if (pair.i != pair.j) rounds.complete(pair.j, pair.round);
    });
  }

  // Where the entries of a block's samples against a view begin.
  std::int64_t place(std::int64_t view, std::int64_t block) const {
    return (view * map_.count + block) * kSide;
  }

  // Whether the pairs on the diagonal are positive.
  bool has_positives(const BlockPair& pair) const {
    return map_.view(pair.i) != map_.view(pair.j) && map_.first_class(pair.i) == map_.first_class(pair.j);
  }

  // The weight of one term of one ordered pair of views in the loss: 1/classes, and also 1/pairs for the mean.
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
    for (std::int64_t i = 0; i < kSide; ++i) lift_[block * kSide + i] = 0;
    sums_[block] = {};
    tiles_.prepare(block, scale_.radius);
  }

  template <class Wait>
  void forward_pair(const BlockPair& pair, const ContrastWorker<T>& worker, const Wait& wait_for_round) {
    tiles_.fill_tile(pair, worker);
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = tiles_.tile_of(pair, x, y, scale_, worker);
    terms_.logits(tile, worker.logits);
    const bool cross_view = map_.view(pair.i) != map_.view(pair.j);
    TileStats stats{};
    if (cross_view && args_.stats != nullptr) stats = stats_of(worker.logits, tile.rows, tile.columns);
    const bool positives = has_positives(pair);
    if (positives) store_positives(pair, worker.logits);
    mask_logits(worker.logits, tile.rows, tile.columns, tile.diagonal || positives);
    find_largest(worker.logits, tile.rows, tile.columns, *worker.down, *worker.across);
    add_tile(worker.logits, tile.rows, tile.columns, map_.first_class(pair.i), map_.first_class(pair.j),
             *worker.down, *worker.across, *worker.halves);
    wait_for_round();
    if (cross_view) add_stats(pair, stats);
    merge(*worker.down, tile.rows, state_, place(map_.view(pair.j), pair.i));
    if (!tile.diagonal) merge(*worker.across, tile.columns, state_, place(map_.view(pair.i), pair.j));
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
    const std::int64_t own = map_.view(block), size = map_.size(block);
    const LogSums<T>& state = state_;
    BlockSums& sums = sums_[block];
    for (std::int64_t i = 0; i < size; i += V::kLanes) {
      const std::int64_t own_at = place(own, block) + i;
      const V q_top = V::load(state.top + own_at), q_total = V::load(state.total + own_at);
      const V column = V::ramp() + V(static_cast<T>(i)), zero(T(0)), one(T(1));
      const auto real = column < V(static_cast<T>(size));
      const V label = column + V(static_cast<T>(map_.first_class(block)));
      V lowest(Bits<T>::kHuge), inverse = zero;  // exp(-L_ab) summed over b, as inverse * exp(-lowest)
      for (std::int64_t view = 0; view < map_.views; ++view) {
        if (view == own) continue;
        const std::int64_t at = place(view, block) + i;
        const V top = V::load(state.top + at), positive = V::load(state.positive + at);
        const Odds<V> odds(top, V::load(state.total + at), q_top, q_total, positive, map_.classes == 1);
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
    double loss = 0;
    for (std::int64_t b = 0; b < map_.count; ++b) loss += sums_[b].loss;
    if (args_.loss != nullptr) *args_.loss = loss * term_weight();
  }

  // Means over the pairs of views. Each pair of blocks occurs once, with the samples of the earlier view as rows.
  void report_stats() {
    ContrastStats total;
    double hits = 0;
    for (std::int64_t a = 0; a < map_.views; ++a) {
      for (std::int64_t b = a + 1; b < map_.views; ++b) {
        ContrastStats pair{HUGE_VAL, 0, -HUGE_VAL, 0};
        for (std::int64_t block = a * map_.per_view; block < (a + 1) * map_.per_view; ++block) {
          const ContrastStats& part = stats_[block * map_.views + b];
          if (part.min < pair.min) pair.min = part.min;
          if (part.max > pair.max) pair.max = part.max;
          pair.mean += part.mean;
        }
        total.min += pair.min;
        total.max += pair.max;
        total.mean += pair.mean;
      }
    }
    for (std::int64_t b = 0; b < map_.count; ++b) hits += sums_[b].hits;
    const double pairs = static_cast<double>(map_.views * (map_.views - 1) / 2);
    const double classes = static_cast<double>(map_.classes);
    *args_.stats = {total.min / pairs, total.mean / (pairs * classes * classes), total.max / pairs,
                    hits / (2 * pairs * classes)};
  }

  // --- backward: weights of the pairs, times the rows of both sides ---
  void clear_gradient(std::int64_t block) {
    for (const ContrastSide<T>* side : {&e_, &h_}) {
      if (side->gradient == nullptr) continue;
      const BlockRows<T> rows = tiles_.source(*side, block);
      for (std::int64_t i = 0; i < map_.size(block); ++i) {
        T* to = side->gradient + rows.index(i) * depth_;
        for (std::int64_t k = 0; k < depth_; ++k) to[k] = 0;
      }
    }
  }

  void gradient_rows(const ContrastSide<T>& side, std::int64_t block, T** rows) const {
    const BlockRows<T> from = tiles_.source(side, block);
    for (std::int64_t i = 0; i < map_.size(block); ++i) rows[i] = side.gradient + from.index(i) * depth_;
  }

  template <class Wait>
  void backward_pair(const BlockPair& pair, const ContrastWorker<T>& worker, const Wait& wait_for_round) {
    if (!tiles_.keeps_tiles) tiles_.fill_tile(pair, worker);
    wait_for_round();
    const Prepared<T> x = tiles_.of_block(h_, pair.i), y = tiles_.of_block(h_, pair.j);
    const PairTile<T> tile = tiles_.tile_of(pair, x, y, scale_, worker);
    const std::int64_t row_place = place(map_.view(pair.j), pair.i),
                       column_place = place(map_.view(pair.i), pair.j);
    const Softmax<T> softmax{state_.top + row_place,
                             state_.top + column_place,
                             state_.positive + row_place,
                             state_.positive + column_place,
                             *worker.halves,
                             has_positives(pair)};
    worker.halves->set(softmax.row_log, tile.rows, softmax.column_log, tile.columns);
    T *x_gradient[kSide], *y_gradient[kSide];
    const BlockRows<T> x_rows = tiles_.source(h_, pair.i), y_rows = tiles_.source(h_, pair.j);
    NearPairs<T> near{x_rows, y_rows, x_gradient, tile.diagonal ? nullptr : y_gradient, depth_};
    NearSink<T> sink{&near, NearPairs<T>::ignore};
    if (h_.used && h_.gradient != nullptr) {
      gradient_rows(h_, pair.i, x_gradient);
      gradient_rows(h_, pair.j, y_gradient);
      sink.take = NearPairs<T>::take;
    }
    const ParamSums sums = terms_.weigh(tile, softmax, {worker.row_lift, worker.column_lift}, sink);
    sums_[pair.i].params.add(sums, tile.diagonal ? 0.5 : 1);
    if (h_.used && !args_.tied) add_lifts(pair, worker, tile);
    spread(e_, 0, pair, worker, tile.g);
    spread(h_, 1, pair, worker, tile.s);
  }

  void add_lifts(const BlockPair& pair, const ContrastWorker<T>& worker, const PairTile<T>& tile) {
    double* lift = lift_ + pair.i * kSide;
    for (std::int64_t i = 0; i < tile.rows; ++i) lift[i] += static_cast<double>(worker.row_lift[i]);
    if (tile.diagonal) return;
    lift = lift_ + pair.j * kSide;
    for (std::int64_t j = 0; j < tile.columns; ++j) lift[j] += static_cast<double>(worker.column_lift[j]);
  }

  // The two products of a tile of weights, added to the gradients of its two blocks.
  void spread(const ContrastSide<T>& side, int kind, const BlockPair& pair, const ContrastWorker<T>& worker,
              const T* weights) {
    if (!side.used || side.gradient == nullptr) return;
    T* rows[kSide];
    const std::int64_t x_size = map_.size(pair.i), y_size = map_.size(pair.j);
    gradient_rows(side, pair.i, rows);
    accumulate<Left::by_row>(weights, y_size, tiles_.right(side, pair.j, worker.rows[kind][1]), rows, x_size,
                             depth_);
    if (pair.i == pair.j) return;
    gradient_rows(side, pair.j, rows);
    accumulate<Left::by_k>(weights, x_size, tiles_.right(side, pair.i, worker.rows[kind][0]), rows, y_size,
                           depth_);
  }

  // Computes the gradients from the sums of weights and of weighted rows.
  void finish_gradient(std::int64_t block) {
    const T e_factor = static_cast<T>(term_weight() / args_.tau_e);
    const T h_factor = static_cast<T>(-term_weight() * static_cast<double>(scale_.h_weight));
    for (std::int64_t i = 0; i < map_.size(block); ++i) {
      const std::int64_t at = tiles_.source(h_, block).index(i) * depth_;
      if (e_.used && e_.gradient != nullptr) {
        for (std::int64_t k = 0; k < depth_; ++k) e_.gradient[at + k] *= e_factor;
      }
      if (!h_.used || h_.gradient == nullptr) continue;
      T* to = h_.gradient + at;
      const T* x = h_.data + at;
      if (args_.tied) {
        to_tangent(x, to);
      } else {
        const T lift = static_cast<T>(lift_[block * kSide + i]);
        for (std::int64_t k = 0; k < depth_; ++k) to[k] = h_factor * (lift * x[k] - to[k]);
        if (terms_.rows == Rows::minkowski) to[0] = -to[0];
      }
    }
  }

  // The part of a gradient at z that is orthogonal to z, times the weight of a term.
  void to_tangent(const T* z, T* gradient) const {
    const double along = inner_product(gradient, z, depth_), norm = inner_product(z, z, depth_);
    const double part = norm > 0 ? along / norm : 0, factor = term_weight();
    for (std::int64_t k = 0; k < depth_; ++k) {
      gradient[k] =
          static_cast<T>(factor * (static_cast<double>(gradient[k]) - part * static_cast<double>(z[k])));
    }
  }

  void report_params() {
    ParamSums sums;
    for (std::int64_t b = 0; b < map_.count; ++b) sums.add(sums_[b].params, 1);
    const double weight = term_weight(), h_weight = geometry_.distance_weight(args_.lambda, args_.tau_h);
    double by_c = sums.curvature;
    if (args_.tied) by_c += sums.radius * tied_.by_curvature / tied_.radius;
    const double tau_e = args_.tau_e, tau_h = args_.tau_h;
    args_.grad_params[0] = geometry_.inner ? -weight * sums.inner / (tau_e * tau_e) : 0;
    args_.grad_params[1] = geometry_.distance ? weight * h_weight * sums.distance / tau_h : 0;
    args_.grad_params[2] = geometry_.weighted ? -weight * sums.distance / tau_h : 0;
    args_.grad_params[3] = geometry_.distance ? -weight * h_weight * by_c : 0;
  }

  const ContrastArgs& args_;
  const Run& run_;
  const Terms<T> terms_;
  const GeometryTerms geometry_;
  const TiedRadius tied_;
  ContrastTiles<T> tiles_;
  const BlockMap& map_ = tiles_.map;
  const ContrastSide<T>&e_ = tiles_.e, &h_ = tiles_.h;
  const std::int64_t depth_ = tiles_.depth;
  LogitScale<T> scale_{};
  bool backward_ = false;

  LogSums<T> state_{};
  double* lift_ = nullptr;  // factor of every sample in its own gradient
  BlockSums* sums_ = nullptr;
  ContrastStats* stats_ = nullptr;  // [block][view]: pairs of the block with a later view
  std::atomic<std::int64_t>* completed_ = nullptr;
};

Status contrast(const ContrastArgs& args, const Run& run) {
  huge_pages_for(args.grad_euclidean, args.type);
  huge_pages_for(args.grad_hyperbolic, args.type);
  return with_type(args.type, [&]<class T>() { return Contrast<T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
