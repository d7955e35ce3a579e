// Gromov's delta of a distance matrix M from base point p:
//
//   G_ij = (M_ip + M_jp - M_ij)/2,   delta = max_ij ( max_k min(G_ik, G_kj) - G_ij )
//
// The inner part is a matrix product with (max, min) in place of (+, x): O(n^3) time, O(n^2) memory, in register
// tiles as in frame/tiles.h. G is symmetric, so only tiles on and above the diagonal are computed.
#pragma once

#include "cpu/frame/call.h"
#include "cpu/frame/threads.h"
#include "cpu/frame/tiles.h"

namespace horoball {
namespace {

template <class T>
class Delta {
 public:
  Delta(const DeltaArgs& args, const Run& run)
      : args_(args),
        run_(run),
        n_(args.distances.rows),
        distances_(static_cast<const T*>(args.distances.data)) {}

  Status compute() {
    return with_scratch(
        run_, [&](Arena& arena) { allocate(arena); }, [&] { work(); });
  }

 private:
  using V = Vec<T>;
  static constexpr int kCols = kTileCols<T>;

  void work() {
    const double n = static_cast<double>(n_);
    const int threads = threads_for(run_, n * n * n);
    for_each(threads, panels(), [&](std::int64_t panel, int) { fill_panel(panel); });
    // Starts with the last panel, which is paired with all rows and takes longest.
    for_each(threads, panels(), [&](std::int64_t task, int) {
      const std::int64_t panel = panels() - 1 - task;
      if (!is_cancelled(run_)) delta_[panel] = panel_delta(panel);
    });
    T delta = 0, diameter = 0;
    for (std::int64_t p = 0; p < panels(); ++p) {
      if (delta_[p] > delta) delta = delta_[p];
      if (diameter_[p] > diameter) diameter = diameter_[p];
    }
    if (args_.delta != nullptr) *args_.delta = static_cast<double>(delta);
    if (args_.diameter != nullptr) *args_.diameter = static_cast<double>(diameter);
  }

  std::int64_t panels() const { return ceil_div(n_, kCols); }
  T* panel(std::int64_t p) const { return products_ + p * n_ * kCols; }

  void allocate(Arena& arena) {
    products_ = arena.allocate<T>(panels() * n_ * kCols);
    delta_ = arena.allocate<T>(panels());
    diameter_ = arena.allocate<T>(panels());
  }

  // Fills a panel with kCols columns of G, row by row, and finds the largest distance in these columns. Padding columns are
  // so large that subtracting them from the inner maximum never gives the largest difference.
  void fill_panel(std::int64_t p) {
    const T* from_base = distances_ + args_.base * n_;
    T most_seen = 0;
    for (std::int64_t k = 0; k < n_; ++k) {
      const T* row = distances_ + k * n_ + p * kCols;
      T* to = panel(p) + k * kCols;
      const std::int64_t real = min(kCols, n_ - p * kCols);
      for (std::int64_t c = 0; c < real; ++c) {
        to[c] = (from_base[k] + from_base[p * kCols + c] - row[c]) / 2;
        most_seen = row[c] > most_seen ? row[c] : most_seen;
      }
      for (std::int64_t c = real; c < kCols; ++c) to[c] = Bits<T>::kHuge;
    }
    delta_[p] = 0;
    diameter_[p] = most_seen;
  }

  T panel_delta(std::int64_t p) const {
    V worst(T(0));
    const std::int64_t rows = min((p + 1) * kCols, n_);
    for (std::int64_t i = 0; i < rows; i += kTileRows)
      worst = max(worst, tile_delta(i, p, min(rows - i, kTileRows)));
    return most(worst);
  }

  V tile_delta(std::int64_t i, std::int64_t p, std::int64_t rows) const {
    const Sums<T, kTileVectors> best = max_min(panel(i / kCols) + i % kCols, panel(p));
    V worst(T(0));
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < kTileVectors; ++v) {
        worst = max(worst, best.row[r][v] - V::load(panel(p) + (i + r) * kCols + v * V::kLanes));
      }
    }
    return worst;
  }

  // best[row][vector] = max over k of min(left(row, k), right(k, vector)).
  [[gnu::noinline]] Sums<T, kTileVectors> max_min(const T* left, const T* right) const {
    Sums<T, kTileVectors> best;
    const V lowest(-Bits<T>::kHuge);
    unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
      unrolled<kTileVectors>([&](auto v) HOROBALL_LAMBDA { best.row[r][v] = lowest; });
    });
    for (std::int64_t k = 0; k < n_; ++k) {
      V b[kTileVectors];
      unrolled<kTileVectors>([&](auto v)
                                 HOROBALL_LAMBDA { b[v] = V::load(right + k * kCols + v * V::kLanes); });
      unrolled<kTileRows>([&](auto r) HOROBALL_LAMBDA {
        const V a(left[k * kCols + r]);
        unrolled<kTileVectors>([&](auto v)
                                   HOROBALL_LAMBDA { best.row[r][v] = max(best.row[r][v], min(a, b[v])); });
      });
    }
    return best;
  }

  const DeltaArgs& args_;
  const Run& run_;
  std::int64_t n_;
  const T* distances_;
  T *products_ = nullptr, *delta_ = nullptr, *diameter_ = nullptr;
};

Status delta(const DeltaArgs& args, const Run& run) {
  return with_type(args.type, [&]<class T>() { return Delta<T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
