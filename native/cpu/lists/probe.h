// The nearest rows of every query, found with lists: first approximately from codes, then exactly from the rows.
//
// A list is skipped if the triangle inequality shows that it contains none of the k nearest rows: the distance of every
// row is at least d(q, center) - radius, and its rank is at least (|q - center| - reach)^2 times the smallest weight.
// In the other lists, the codes bound the rank of each row from both sides. The k-th smallest upper bound so far,
// `within`, decides which rows are candidates; candidates are then ranked by their distance, computed in float64 and rounded
// to T, until the next lower bound is beyond the k-th distance. The result is exact if every list was scanned or skipped.
// `probes` limits the search to the lists of the nearest centers; the triangle inequality then still proves most results
// exact.
#pragma once

#include "cpu/frame/call.h"
#include "cpu/frame/elementary.h"
#include "cpu/frame/threads.h"
#include "cpu/lists/scan.h"
#include "cpu/select/candidates.h"
#include "cpu/select/nearest.h"

namespace horoball {
namespace {

template <class Card, class T>
class Probe {
 public:
  Probe(const ProbeArgs& args, const Run& run) : args_(args), run_(run), card_{args.c} {}

  Status compute() {
    const double pairs = static_cast<double>(args_.queries.rows) * static_cast<double>(args_.slots);
    threads_ = threads_for(run_, pairs * static_cast<double>(depth_) / 16);
    // If there are fewer queries than threads, the lists are divided among the threads instead. If there are many, a worker
    // scans a list for a group of queries while its codes are in the cache.
    const std::int64_t queries = args_.queries.rows;
    parts_ = queries >= threads_ ? 1 : threads_;
    const std::int64_t each = ceil_div(queries, threads_);
    group_ = parts_ > 1 ? 1 : min(each, kMostInGroup);
    groups_ = ceil_div(queries, group_);
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); }, [&] { work(); });
  }

 private:
  using V = Vec<float>;
  static constexpr std::int64_t kCandidates = 4096, kFirst = 8, kMostInGroup = 8;
  static constexpr float kLargest = 0x1.fffffep127f;
  static constexpr float kLastEstimate = 3e38f;  // replaces infinity and NaN for sorting

  // The scratch memory of one query.
  struct Scratch {
    float *query, *difference, *rounded, *near, *bound, *within;
    std::int16_t* code;
    Candidate<float>*order, *found;
  };

  // The state of the search for one query.
  struct Search {
    Scratch scratch{};
    std::int64_t i = 0;
    const T* row = nullptr;
    Listed point;
    float error = 0;  // of rounding the query to float32
    Nearest<T> nearest;
    std::int64_t count = 0;                                   // of candidates
    float within = static_cast<float>(__builtin_huge_val());  // upper bound on the k-th rank
    float reach = static_cast<float>(__builtin_huge_val());   // the distance at that rank
  };

  void allocate(Arena& arena) {
    const std::int64_t workers = threads_ * group_, padded = padded_;
    wanted_ = arena.allocate<std::uint8_t>(threads_ * args_.lists);
    query_ = arena.allocate<float>(workers * padded);
    difference_ = arena.allocate<float>(workers * padded);
    rounded_ = arena.allocate<float>(workers * padded);
    code_ = arena.allocate<std::int16_t>(workers * padded);
    near_ = arena.allocate<float>(workers * lists_);
    bound_ = arena.allocate<float>(workers * lists_);
    order_ = arena.allocate<Candidate<float>>(workers * lists_);
    within_ = arena.allocate<float>(workers * args_.k);
    found_ = arena.allocate<Candidate<float>>(workers * capacity_);
    const std::int64_t spare = (parts_ - 1) * args_.queries.rows * args_.k;
    spare_distance_ = arena.allocate<T>(spare);
    spare_index_ = arena.allocate<std::int32_t>(spare);
    unseen_ = arena.allocate<float>(args_.queries.rows);
  }

  Scratch scratch(int worker, std::int64_t place) const {
    const std::int64_t w = worker * group_ + place;
    return {query_ + w * padded_, difference_ + w * padded_, rounded_ + w * padded_,
            near_ + w * lists_,   bound_ + w * lists_,       within_ + w * args_.k,
            code_ + w * padded_,  order_ + w * lists_,       found_ + w * capacity_};
  }

  Nearest<T> list(std::int64_t i, std::int64_t part) const {
    const std::int64_t at = i * args_.k, spare = ((part - 1) * args_.queries.rows + i) * args_.k;
    if (part == 0) return {static_cast<T*>(args_.distances.data) + at, args_.indices + at, args_.k};
    return {spare_distance_ + spare, spare_index_ + spare, args_.k};
  }

  void work() {
    for_each(threads_, groups_ * parts_, [&](std::int64_t task, int worker) {
      if (!is_cancelled(run_)) search_group(task / parts_ * group_, task % parts_, worker);
    });
    if (is_cancelled(run_)) return;
    for_each(threads_, args_.queries.rows, [&](std::int64_t i, int) { finish(i); });
  }

  // Searches for the nearest rows of a group of queries. The lists of the kFirst nearest centers are scanned query by query,
  // so that the bound is tight and the other lists add few candidates. Each other list is then scanned for all queries that
  // still need it, while its codes are in the cache.
  void search_group(std::int64_t first, std::int64_t part, int worker) {
    Search searches[kMostInGroup];
    const std::int64_t count = min(group_, args_.queries.rows - first);
    std::uint8_t* wanted = wanted_ + worker * args_.lists;
    for (std::int64_t l = 0; l < args_.lists; ++l) wanted[l] = 0;
    for (std::int64_t place = 0; place < count; ++place) {
      Search& search = searches[place];
      search.scratch = scratch(worker, place);
      search.i = first + place;
      search.nearest = list(search.i, part);
      if (begin(search, part)) scan_first(search, part, wanted, static_cast<std::uint8_t>(1 << place));
    }
    for (std::int64_t l = 0; l < args_.lists && !is_cancelled(run_); ++l) {
      for (unsigned left = wanted[l]; left != 0; left &= left - 1) scan(searches[__builtin_ctz(left)], l);
    }
    for (std::int64_t place = 0; place < count; ++place) rank_candidates(searches[place]);
  }

  // Initializes a search. Returns false if every row is infinitely far from the query.
  bool begin(Search& search, std::int64_t part) {
    search.nearest.clear();
    search.row = query(search.i);
    search.point = listed(card_, search.row, depth_);
    if (part == 0) unseen_[search.i] = static_cast<float>(__builtin_huge_val());
    for (std::int64_t k = 0; k < args_.k; ++k) search.scratch.within[k] = search.within;
    return search.point.reachable;
  }

  void scan_first(Search& search, std::int64_t part, std::uint8_t* wanted, std::uint8_t bit) {
    round_query(search);
    measure_centers(search);
    Candidate<float>* order = search.scratch.order;
    const std::int64_t count = choose(search, part), first = min(count, kFirst);
    if (first < count) keep_nearest(order, count, first);
    sort_nearest(order, first);
    for (std::int64_t at = 0; at < first && !is_cancelled(run_); ++at) scan(search, order[at].index);
    for (std::int64_t at = first; at < count; ++at)
      if (!(search.scratch.bound[order[at].index] > search.reach)) wanted[order[at].index] |= bit;
  }

  // Rounds the query to float32 and stores a bound on the norm of the rounding error in `Search::error`.
  void round_query(Search& search) const {
    double lost = 0;
    for (std::int64_t k = 0; k < padded_; ++k) {
      const double value = k < depth_ ? search.point.factor * static_cast<double>(search.row[k]) : 0;
      search.scratch.query[k] = static_cast<float>(value);
      const double rest = value - static_cast<double>(search.scratch.query[k]);
      lost += rest * rest;
      search.scratch.difference[k] = 0;
    }
    search.error = lost > 0 ? rounded_up(std::sqrt(lost)) : 0;
    if (!has_code<Card>(search.point)) search.error = static_cast<float>(HUGE_VAL);
  }

  // Computes, for every list, the distance to its center and a lower bound on the distances to its rows.
  void measure_centers(const Search& search) const {
    const float width = static_cast<float>(depth_), down = 1 - 0x1p-24f * (width + 32);
    const V zero(0.f), own(static_cast<float>(search.point.own)), one(1.f), safe(1 - 0x1p-19f);
    for (std::int64_t first = 0; first < lists_; first += kSlots) {
      const float* panel = args_.panels + first * depth_;
      float fact[kListFacts][kSlots];
      for (std::int64_t l = 0; l < kSlots; ++l) {
        for (int f = 0; f < kListFacts; ++f)
          fact[f][l] = first + l < args_.lists ? args_.bounds[(first + l) * kListFacts + f] : 1;
      }
      V s[kBlockVectors];
      for (int v = 0; v < kBlockVectors; ++v) s[v] = zero;
      for (std::int64_t k = 0; k < depth_; ++k) {
        for (int v = 0; v < kBlockVectors; ++v) {
          const V rest = V(search.scratch.query[k]) - V::load(panel + k * kSlots + v * V::kLanes);
          s[v] = fma(rest, rest, s[v]);
        }
      }
      for (int v = 0; v < kBlockVectors; ++v) {
        const int at = v * V::kLanes;
        const V center = V::load(fact[kOwn] + at);
        // |q - center| is at least `straight`, even if its square overflows.
        const V straight = max(sqrt(min(s[v], V(kLargest))) * V(down) - V(search.error), zero);
        V near = card_.distance(s[v], own, center);
        near = where(near < V(kLastEstimate), near, V(kLastEstimate));
        near.store(search.scratch.near + first + at);
        const V reached = max(straight * V(kDown) - V::load(fact[kReach] + at), zero);
        const V rank = reached * reached * V::load(fact[kLightest] + at) * safe;
        V bound = card_.distance(rank, own, one) * safe;
        // The triangle inequality is guaranteed only for a slope above 0 (metric_card.h).
        if constexpr (Card::kBounded && Card::kInfo.slope > 0) {
          const V curved = card_.distance(straight * straight * V(kDown), own, center) * safe;
          bound = max(curved - V::load(fact[kRadius] + at), bound);
        }
        bound.store(search.scratch.bound + first + at);
      }
    }
  }

  // Writes to `order` the lists of this part that the search considers. Returns their number. If `probes` excludes lists, part
  // 0 also stores a lower bound on the distances to their rows in `unseen_`.
  std::int64_t choose(const Search& search, std::int64_t part) {
    Candidate<float>* order = search.scratch.order;
    std::int64_t count = 0;
    for (std::int64_t l = 0; l < args_.lists; ++l) {
      if (args_.starts[l] < args_.starts[l + 1])
        order[count++] = {search.scratch.near[l], static_cast<std::int32_t>(l)};
    }
    if (args_.probes < count) {
      keep_nearest(order, count, args_.probes);
      float unseen = static_cast<float>(__builtin_huge_val());
      for (std::int64_t at = args_.probes; at < count; ++at)
        unseen = least(unseen, search.scratch.bound[order[at].index]);
      if (part == 0) unseen_[search.i] = unseen;
      count = args_.probes;
    }
    std::int64_t kept = 0;
    for (std::int64_t at = 0; at < count; ++at)
      if (order[at].index % parts_ == part) order[kept++] = order[at];
    return kept;
  }
  // Returns the smaller of two lower bounds on distances. A NaN in b counts as 0, which is a lower bound on any distance.
  static float least(float a, float b) { return b == b ? (b < a ? b : a) : 0; }

  void scan(Search& search, std::int64_t l) const {
    if (search.scratch.bound[l] > search.reach) return;
    const float* panel = args_.panels;
    for (std::int64_t k = 0; k < depth_; ++k)
      search.scratch.difference[k] = search.scratch.query[k] - panel[panel_at(l, k, depth_)];
    const Residual query = encode_residual(search.scratch.difference, padded_, search.error,
                                           search.scratch.rounded, search.scratch.code);
    const std::int64_t pairs = pairs_of(depth_);
    const float before = search.within;
    for (std::int64_t slot = args_.starts[l]; slot < args_.starts[l + 1]; slot += kSlots) {
      const auto* block =
          reinterpret_cast<const std::int8_t*>(args_.codes) + slot / kSlots * block_bytes(depth_);
      const float* facts = args_.facts + slot * kSlotFacts;
      Ints products[kBlockVectors];
      block_products(block, query.code, pairs, products);
      for (int v = 0; v < kBlockVectors; ++v) {
        const RankBounds bounds = rank_bounds(products[v], query, facts + v * V::kLanes);
        const unsigned beyond = bits_of(bounds.low, bounds.low > V(search.within));
        const unsigned all = V::kLanes == 32 ? ~0u : (1u << V::kLanes) - 1;
        if (beyond != all) admit(search, bounds, all & ~beyond, slot + v * V::kLanes);
      }
    }
    if (search.within < before) search.reach = distance_at(search, search.within);
  }

  void admit(Search& search, const RankBounds& bounds, unsigned lanes, std::int64_t slot) const {
    float low[V::kLanes], high[V::kLanes];
    bounds.low.store(low);
    bounds.high.store(high);
    for (; lanes != 0; lanes &= lanes - 1) {
      const int lane = __builtin_ctz(lanes);
      const std::int32_t id = args_.ids[slot + lane];
      if (low[lane] > search.within || !admits(search.i, id)) continue;
      if (search.count == capacity_) compact(search);
      search.scratch.found[search.count++] = {low[lane] >= 0 ? low[lane] : 0, id};
      if (high[lane] < search.within) tighten(search, high[lane]);
    }
  }

  bool admits(std::int64_t i, std::int32_t id) const {
    return id >= 0 && id < args_.rows.rows && (args_.exclude == nullptr || args_.exclude[i] != id) &&
           (args_.allowed == nullptr || args_.allowed[id] != 0);
  }

  // Replaces the largest of the k smallest upper bounds, which form a heap, with `high`.
  void tighten(Search& search, float high) const {
    float* heap = search.scratch.within;
    std::int64_t at = 0;
    for (;;) {
      std::int64_t child = 2 * at + 1;
      if (child >= args_.k) break;
      if (child + 1 < args_.k && heap[child + 1] > heap[child]) ++child;
      if (!(heap[child] > high)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = high;
    if (heap[0] < search.within) search.within = heap[0];
  }

  // Returns the largest distance that a row of at most this rank can have.
  float distance_at(const Search& search, float rank) const {
    const double d = card_.distance(static_cast<double>(rank), search.point.own, 1.0);
    return rounded_up(d);
  }

  void compact(Search& search) const {
    keep_possible(search);
    if (search.count > capacity_ / 2) rank_candidates(search);
  }
  void keep_possible(Search& search) const {
    std::int64_t kept = 0;
    for (std::int64_t at = 0; at < search.count; ++at)
      if (!(search.scratch.found[at].distance > search.within))
        search.scratch.found[kept++] = search.scratch.found[at];
    search.count = kept;
  }

  // Offers to `nearest` the candidates that may be among the k nearest, with their distances computed in float64 and rounded to
  // T. Then drops all candidates.
  void rank_candidates(Search& search) const {
    keep_possible(search);
    sort_nearest(search.scratch.found, search.count);
    for (std::int64_t at = 0; at < search.count; ++at) {
      const Candidate<float> candidate = search.scratch.found[at];
      if (candidate.distance > search.within) break;
      const T* y = static_cast<const T*>(args_.rows.data) + candidate.index * depth_;
      const Listed of_y = listed(card_, y, depth_);
      const double s = squared_between<Card>(search.row, search.point, y, of_y, depth_);
      const auto d = static_cast<T>(card_.distance(s, search.point.own, of_y.own));
      if (search.nearest.offer(d, candidate.index))
        bound_by(search, static_cast<double>(search.nearest.worst()));
    }
    search.count = 0;
    search.reach = distance_at(search, search.within);
  }

  void bound_by(Search& search, double farthest) const {
    if (!(farthest < HUGE_VAL)) return;
    const double rank = card_.rank_at(farthest * (1 + 0x1p-20), search.point.own);
    const float within = rounded_up(rank) + kTiny;
    if (within < search.within) search.within = within;
  }

  void finish(std::int64_t i) const {
    const Nearest<T> all = list(i, 0);
    for (std::int64_t part = 1; part < parts_; ++part) {
      const Nearest<T> more = list(i, part);
      for (std::int64_t k = 0; k < args_.k; ++k)
        if (more.index[k] >= 0) all.offer(more.distance[k], more.index[k]);
    }
    all.sort();
    const float last = rounded_up(static_cast<double>(all.distance[args_.k - 1]));
    args_.proven[i] = unseen_[i] > last || unseen_[i] == static_cast<float>(__builtin_huge_val()) ? 1 : 0;
  }

  const T* query(std::int64_t i) const {
    return static_cast<const T*>(args_.queries.data) + i * args_.queries.cols;
  }

  const ProbeArgs& args_;
  const Run& run_;
  Card card_;
  std::int64_t depth_ = args_.queries.cols, padded_ = round_up(depth_, 32),
               lists_ = round_up(args_.lists, kSlots), capacity_ = 2 * args_.k + kCandidates, parts_ = 1;
  std::int64_t group_ = 1, groups_ = 0;
  int threads_ = 1;
  std::uint8_t* wanted_ = nullptr;
  float *query_ = nullptr, *difference_ = nullptr, *rounded_ = nullptr, *near_ = nullptr, *bound_ = nullptr,
        *within_ = nullptr, *unseen_ = nullptr;
  std::int16_t* code_ = nullptr;
  Candidate<float>*order_ = nullptr, *found_ = nullptr;
  T* spare_distance_ = nullptr;
  std::int32_t* spare_index_ = nullptr;
};

Status probe(const ProbeArgs& args, const Run& run) {
  return with_listed_card(args, [&]<class Card, class T>() { return Probe<Card, T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
