// The k nearest gallery rows of every query. Each tile of the matrix product is scanned for pairs that could be among the k
// nearest. A scan takes two comparisons per SIMD vector; distances are computed only if it finds a candidate.
//
// Distances are as accurate as those of pairwise(). Ties go to the lower index. Rows at infinite distance
// (outside the ball) and rows with NaN are never returned.
#pragma once

#include "cpu/pairwise/pairwise.h"
#include "cpu/select/collector.h"

namespace horoball {
namespace {

constexpr std::int64_t kGalleryBytes = 48 << 20;  // of gallery rows packed at a time

template <class Card, class T>
class Select {
 public:
  Select(const SelectArgs& args, const Run& run)
      : args_(args),
        run_(run),
        card_{args.c},
        queries_{static_cast<const T*>(args.queries.data), args.queries.rows, args.queries.cols},
        gallery_{static_cast<const T*>(args.gallery.data), args.gallery.rows, args.gallery.cols},
        depth_(args.queries.cols) {
    const double pairs = static_cast<double>(queries_.rows) * static_cast<double>(gallery_.rows);
    threads_ = threads_for(run, pairs * static_cast<double>(depth_ + 8));
    const std::int64_t row_bytes = static_cast<std::int64_t>(sizeof(T)) * (depth_ > 0 ? depth_ : 1);
    const std::int64_t fitting = kGalleryBytes / (row_bytes * kSide);
    chunk_ = min(round_up(gallery_.rows, kSide), (fitting > 0 ? fitting : 1) * kSide);
    collects_ = Collector<T>::serves(args.k, threads_ * kSide);
    // If there are fewer blocks of queries than threads, the gallery is divided too.
    blocks_ = ceil_div(queries_.rows, kSide);
    parts_ =
        blocks_ >= threads_ ? 1 : min(ceil_div(threads_, blocks_ > 0 ? blocks_ : 1), ceil_div(chunk_, kSide));
  }

  Status compute() {
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); }, [&] { work(); });
  }

 private:
  using V = Vec<T>;
  static constexpr std::int64_t kSide = kBlock<T>;
  static constexpr int kCols = kTileCols<T>;
  // A factor on bounds, so that rounding errors of a distance or of Card::rank() exclude no candidate. The largest errors,
  // up to 1.4e-3 after a float32 product of 1500 columns, occur just above kNearPart, below which s is computed directly.
  static constexpr double kSlack = sizeof(T) == 4 ? 1 + 2e-3 : 1 + 1e-12;

  // The gallery rows of a chunk, numbered from its start.
  struct Chunk {
    const Rowset<T>& gallery;
    std::int64_t first;
    const T* row(std::int64_t j) const { return gallery.row(first + j); }
  };

  void work() {
    prepare_queries();
    for (std::int64_t first = 0; first < gallery_.rows && !is_cancelled(run_); first += chunk_)
      search_chunk(first);
    for_each(threads_, queries_.rows, [&](std::int64_t i, int worker) { finish_query(i, worker); });
  }

  void allocate(Arena& arena) {
    x_ = allocate_prepared<T>(arena, blocks_ * kSide, depth_);
    y_ = allocate_prepared<T>(arena, chunk_, depth_);
    const std::int64_t lists = parts_ * queries_.rows;
    bound_ = arena.allocate<T>(parts_ * blocks_ * kSide);
    spare_distance_ = arena.allocate<T>((lists - queries_.rows) * args_.k);
    spare_index_ = arena.allocate<std::int32_t>((lists - queries_.rows) * args_.k);
    if (!collects_) return;
    const std::int64_t rows = threads_ * kSide;
    collected_ = {arena.allocate<Candidate<T>>(rows * 2 * args_.k), arena.allocate<std::int64_t>(rows),
                  arena.allocate<T>(rows), args_.k};
  }

  Collector<T> collector(int worker) const {
    const std::int64_t rows = collects_ ? worker * kSide : 0;
    return {collected_.row(rows), collected_.counts + rows, collected_.farthest + rows, args_.k};
  }

  // Returns the list of query i for one part of the gallery. The list of part 0 is stored in the result.
  Nearest<T> list(std::int64_t i, std::int64_t part) const {
    const std::int64_t at = i * args_.k, spare = ((part - 1) * queries_.rows + i) * args_.k;
    if (part == 0) return {static_cast<T*>(args_.distances.data) + at, args_.indices + at, args_.k};
    return {spare_distance_ + spare, spare_index_ + spare, args_.k};
  }

  T* bounds(std::int64_t block, std::int64_t part) const { return bound_ + (part * blocks_ + block) * kSide; }

  void prepare_queries() {
    for_each(threads_, blocks_, [&](std::int64_t block, int) {
      for (std::int64_t i = block * kSide; i < (block + 1) * kSide; i += kCols) {
        prepare_panel(card_, queries_, i / kCols, x_);
      }
      for (std::int64_t part = 0; part < parts_; ++part) {
        for (std::int64_t i = 0; i < kSide; ++i) {
          const bool real = block * kSide + i < queries_.rows;
          bounds(block, part)[i] = static_cast<T>(real ? __builtin_huge_val() : -__builtin_huge_val());
          if (real) list(block * kSide + i, part).clear();
        }
      }
    });
  }

  void search_chunk(std::int64_t first) {
    const Chunk chunk{gallery_, first};
    const std::int64_t rows = min(chunk_, gallery_.rows - first), panels = ceil_div(rows, kCols);
    for_each(threads_, panels, [&](std::int64_t panel, int) {
      prepare_panel(card_, chunk, panel, y_);
      mask_rows(panel * kCols, first, rows);
    });
    const std::int64_t share = ceil_div(panels, parts_);
    for_each(threads_, blocks_ * parts_, [&](std::int64_t task, int worker) {
      const std::int64_t block = task / parts_, part = task % parts_;
      const std::int64_t lists = collects_ ? min(kSide, queries_.rows - block * kSide) : 0;
      const Collector<T> collector = this->collector(worker);
      for (std::int64_t i = 0; i < lists; ++i) collector.open(i, list(block * kSide + i, part));
      for (std::int64_t p = part * share; p < min((part + 1) * share, panels) && !is_cancelled(run_); ++p) {
        search_panel(chunk, block, part, p, collector);
      }
      for (std::int64_t i = 0; i < lists; ++i) collector.close(i, list(block * kSide + i, part));
    });
  }

  // Marks padding and disallowed rows as infinitely far.
  void mask_rows(std::int64_t begin, std::int64_t first, std::int64_t rows) {
    for (std::int64_t j = begin; j < begin + kCols; ++j) {
      const bool masked = j >= rows || (args_.allowed != nullptr && args_.allowed[first + j] == 0);
      if (masked) y_.n[j] = y_.size[j] = -kOutside<T>;
    }
  }

  void search_panel(const Chunk& chunk, std::int64_t block, std::int64_t part, std::int64_t panel,
                    const Collector<T>& collector) {
    const std::int64_t rows = min(kSide, queries_.rows - block * kSide);
    T* bound = bounds(block, part);
    for (std::int64_t i = 0; i < rows; i += kTileRows) {
      const std::int64_t row = block * kSide + i;
      const T* left = x_.panel(row / kCols) + row % kCols;
      const Sums<T, kTileVectors> g =
          product<kTileVectors, Left::by_k>(left, kCols, y_.panel(panel), kCols, depth_);
      unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
        if (i + r >= rows) return;  // padding has no result list, but could match rows outside the ball
        bool found = false;
        unrolled<kTileVectors>([&](auto v) HOROBALL_LAMBDA {
          found |= any(candidates(g.row[r][v], row + r, panel * kCols + v * V::kLanes, bound[i + r]));
        });
        if (found) examine(chunk, g.row[r], row + r, part, panel, bound[i + r], collector);
      });
    }
  }

  // Returns a mask of the pairs whose rank is within the bound, and of near pairs, whose rank is not known yet.
  typename V::Mask candidates(V g, std::int64_t i, std::int64_t j, T bound) const {
    const V s = squared_from<Card>(g, x_, i, y_, j);
    const V rank = card_.rank(s, V(x_.q[i]), V::load(y_.q + j));
    return (rank < V(bound)) | (nearness<Card>(s, x_, i, y_, j) < V(T(0)));
  }

  void examine(const Chunk& chunk, const V (&g)[kTileVectors], std::int64_t i, std::int64_t part,
               std::int64_t panel, T& bound, const Collector<T>& collector) {
    const Sides<Card, T, Rowset<T>, Chunk> sides{card_, queries_, chunk, x_, y_, false};
    const Nearest<T> nearest = list(i, part);
    const std::int64_t own = i % kSide;
    const auto worst = [&] { return collects_ ? collector.farthest[own] : nearest.worst(); };
    bool changed = false;
    for (int v = 0; v < kTileVectors; ++v) {
      const std::int64_t j = panel * kCols + v * V::kLanes;
      unsigned lanes = bits_of(g[v], candidates(g[v], i, j, bound));
      if (lanes == 0) continue;
      T s[V::kLanes], distance[V::kLanes];
      const V given = squared_from<Card>(g[v], x_, i, y_, j);
      given.store(s);
      if (any(nearness<Card>(given, x_, i, y_, j) < V(T(0)))) correct(sides, i, j, s, kNearPart<Card>);
      card_.distance(V::load(s), V(x_.q[i]), V::load(y_.q + j)).store(distance);
      for (; lanes != 0; lanes &= lanes - 1) {
        const int l = __builtin_ctz(lanes);
        if (!(distance[l] < worst() * static_cast<T>(kSlack)) || !admits(chunk, i, j + l)) continue;
        const T d = is_inaccurate(s[l], i, j + l) ? exact_distance(sides, i, j + l) : distance[l];
        if (!(d < worst())) continue;
        const auto row = static_cast<std::int32_t>(chunk.first + j + l);
        changed |= collects_ ? collector.offer(own, d, row) : nearest.offer(d, row);
      }
    }
    if (!changed) return;
    const double within = static_cast<double>(worst());
    bound = static_cast<T>(card_.rank_at(within, static_cast<double>(x_.q[i])) * kSlack);
  }

  // Whether s, computed from the product, is not accurate enough for a distance. False for near pairs, whose s was computed
  // directly.
  bool is_inaccurate(T s, std::int64_t i, std::int64_t j) const {
    constexpr bool kMinkowski = Card::kRows == Rows::minkowski;
    const T size = kMinkowski ? x_.size[i] + y_.size[j] : x_.n[i] + y_.n[j];
    return s >= static_cast<T>(kNearPart<Card>) * size && s < static_cast<T>(kFairPart<Card>) * size;
  }

  // Returns the distance computed directly from the rows. Uses the same function as whole vectors of pairs, so that equal
  // pairs have equal distances.
  T exact_distance(const Sides<Card, T, Rowset<T>, Chunk>& sides, std::int64_t i, std::int64_t j) const {
    T distance[V::kLanes];
    card_.distance(V(direct(sides, i, j)), V(x_.q[i]), V(y_.q[j])).store(distance);
    return distance[0];
  }

  bool admits(const Chunk& chunk, std::int64_t i, std::int64_t j) const {
    const std::int64_t row = chunk.first + j;
    return row < gallery_.rows && (args_.exclude == nullptr || args_.exclude[i] != row) &&
           (args_.allowed == nullptr || args_.allowed[row] != 0);
  }

  void finish_query(std::int64_t i, int worker) const {
    const auto list_of = [&](std::int64_t part) { return list(i, part); };
    if (collects_) return collector(worker).join(0, parts_, list_of);
    const Nearest<T> all = list(i, 0);
    for (std::int64_t part = 1; part < parts_; ++part) {
      const Nearest<T> more = list(i, part);
      for (std::int64_t k = 0; k < args_.k; ++k) {
        if (more.index[k] >= 0) all.offer(more.distance[k], more.index[k]);
      }
    }
    all.sort();
  }

  const SelectArgs& args_;
  const Run& run_;
  Card card_;
  Rowset<T> queries_, gallery_;
  std::int64_t depth_, chunk_ = 0, blocks_ = 0, parts_ = 1;
  int threads_ = 1;
  Prepared<T> x_{}, y_{};
  T *bound_ = nullptr, *spare_distance_ = nullptr;
  std::int32_t* spare_index_ = nullptr;
  bool collects_ = false;
  Collector<T> collected_{};  // of all workers
};

Status select(const SelectArgs& args, const Run& run) {
  return with_card(args, [&]<class Card, class T>() { return Select<Card, T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
