// Encodes rows in the format of layout.h, given the list of each row.
#pragma once

#include "cpu/frame/call.h"
#include "cpu/frame/threads.h"
#include "cpu/lists/layout.h"

namespace horoball {
namespace {

template <class Card, class T>
class Encode {
 public:
  Encode(const EncodeArgs& args, const Run& run) : args_(args), run_(run), card_{args.c} {}

  Status compute() {
    const double work = static_cast<double>(args_.rows.rows) * static_cast<double>(depth_) * 8;
    threads_ = threads_for(run_, work);
    if (!are_finite()) return refusal("expected finite centers, with coordinates below 1e18");
    // Huge pages make searches faster, because searches scan these arrays.
    prefer_huge_pages(args_.codes, static_cast<std::uint64_t>(args_.slots / kSlots * block_bytes(depth_)));
    prefer_huge_pages(args_.facts, static_cast<std::uint64_t>(args_.slots) * kSlotFacts * sizeof(float));
    bool fits = true;
    const Status status = with_scratch(
        run_,
        [&](Arena& arena) {
          next_ = arena.allocate<std::int64_t>(args_.centers.rows);
          center_ = arena.allocate<double>(threads_ * depth_);
          rest_ = arena.allocate<double>(threads_ * depth_);
        },
        [&] {
          fits = place();
          if (fits)
            for_each(threads_, args_.centers.rows, [&](std::int64_t list, int worker) {
              if (!is_cancelled(run_)) encode_list(list, worker);
            });
        });
    return fits ? status : refusal("expected slots for every row of a list");
  }

 private:
  static Status refusal(const char* why) {
    Status status{Code::shape};
    std::snprintf(status.message, sizeof status.message, "%s", why);
    return status;
  }

  bool are_finite() const {
    const T* centers = static_cast<const T*>(args_.centers.data);
    bool finite = true;
    for (std::int64_t i = 0; i < args_.centers.rows * depth_; ++i)
      finite &= std::fabs(static_cast<double>(centers[i])) < 1e18;
    return finite;
  }

  // Assigns a slot to each row that a search can return, in ascending order within a list. A row without a list is added to
  // the first list. Returns whether all these rows fit.
  bool place() {
    const std::int64_t lists = args_.centers.rows;
    for (std::int64_t list = 0; list < lists; ++list) next_[list] = args_.starts[list];
    for (std::int64_t slot = 0; slot < args_.slots; ++slot) args_.ids[slot] = -1;
    for (std::int64_t list = lists; list < round_up(lists, kSlots); ++list)
      for (std::int64_t k = 0; k < depth_; ++k) args_.panels[panel_at(list, k, depth_)] = 0;
    for (std::int64_t i = 0; i < args_.rows.rows; ++i) {
      const std::int64_t given = args_.lists[i], list = given >= 0 && given < lists ? given : 0;
      if (!listed(card_, row(i), depth_).reachable) continue;
      if (next_[list] >= args_.starts[list + 1]) return false;
      args_.ids[next_[list]++] = static_cast<std::int32_t>(i);
    }
    return true;
  }

  void encode_list(std::int64_t list, int worker) {
    float rounded;
    double* center = center_ + worker * depth_;
    const T* given = static_cast<const T*>(args_.centers.data) + list * depth_;
    for (std::int64_t k = 0; k < depth_; ++k) {
      rounded = static_cast<float>(given[k]);
      args_.panels[panel_at(list, k, depth_)] = rounded;
      center[k] = static_cast<double>(rounded);
    }
    const Listed of_center = listed(card_, center, depth_);
    double radius = 0, reach = 0, lightest = HUGE_VAL;
    for (std::int64_t slot = args_.starts[list]; slot < args_.starts[list + 1]; ++slot) {
      const std::int32_t id = args_.ids[slot];
      const Fit fit = id < 0 ? Fit{} : encode_row(row(id), center, slot, rest_ + worker * depth_);
      if (id < 0) clear(slot);
      if (fit.far > reach) reach = fit.far;
      if (fit.own < lightest) lightest = fit.own;
      if constexpr (Card::kBounded) {
        const double d = card_.distance(fit.far * fit.far, of_center.own, fit.own);
        if (id >= 0 && d > radius) radius = d;
      }
    }
    float* facts = args_.bounds + list * kListFacts;
    // Rounding can move a center to the rim, from which every row is infinitely far.
    facts[kRadius] = of_center.reachable ? rounded_up(radius) : static_cast<float>(HUGE_VAL);
    facts[kReach] = rounded_up(reach);
    facts[kLightest] = rounded_down(lightest);
    facts[kOwn] = static_cast<float>(of_center.reachable ? of_center.own : card_.q(kCodeRim));
  }

  struct Fit {
    double far = 0, own = HUGE_VAL;  // |row - center|, and the quantity of the row
  };

  Fit encode_row(const T* x, const double* center, std::int64_t slot, double* rest) {
    const Listed of = listed(card_, x, depth_);
    double largest = 0, far = 0;
    for (std::int64_t k = 0; k < depth_; ++k) {
      rest[k] = of.factor * static_cast<double>(x[k]) - center[k];
      far += rest[k] * rest[k];
      const double size = std::fabs(rest[k]);
      if (size > largest) largest = size;
    }
    // `scale` is rounded up, so that 127 steps cover the largest coordinate.
    const float scale = rounded_up(largest / kMost);
    const double step = static_cast<double>(scale), inverse = step > 0 ? 1 / step : 0;
    double error = 0;
    std::int64_t size = 0;
    std::int8_t* block = codes_of(slot);
    for (std::int64_t k = 0; k < 2 * pairs_of(depth_); ++k) {
      const double value = k < depth_ ? rest[k] : 0;
      const auto code = static_cast<std::int64_t>(value * inverse + (value < 0 ? -0.5 : 0.5));
      const double left = value - step * static_cast<double>(code);
      error += left * left;
      size += code * code;
      block[(k / 2 * kSlots + slot % kSlots) * 2 + k % 2] = static_cast<std::int8_t>(code);
    }
    // The error of a row without a code, or with a weight beyond the range of float32, has no bound.
    if (!has_code<Card>(of) || !(of.own < 1e38)) error = HUGE_VAL;
    set(slot, scale, static_cast<float>(step * step * static_cast<double>(size)),
        rounded_up(std::sqrt(error)), rounded_down(Card::kBounded ? of.own : 1));
    return {has_code<Card>(of) ? std::sqrt(far) : HUGE_VAL, Card::kBounded ? of.own : 1};
  }

  void clear(std::int64_t slot) {
    std::int8_t* block = codes_of(slot);
    for (std::int64_t k = 0; k < 2 * pairs_of(depth_); ++k)
      block[(k / 2 * kSlots + slot % kSlots) * 2 + k % 2] = 0;
    set(slot, 0, 0, 0, 0);
  }

  void set(std::int64_t slot, float scale, float size, float error, float weight) {
    float* block = args_.facts + slot / kSlots * kSlotFacts * kSlots + slot % kSlots;
    block[kScale * kSlots] = scale;
    block[kSize * kSlots] = size;
    block[kError * kSlots] = error;
    block[kWeight * kSlots] = weight;
  }

  std::int8_t* codes_of(std::int64_t slot) const {
    return reinterpret_cast<std::int8_t*>(args_.codes) + slot / kSlots * block_bytes(depth_);
  }
  const T* row(std::int64_t i) const { return static_cast<const T*>(args_.rows.data) + i * depth_; }

  static constexpr double kMost = 127, kCodeRim = 1e-7;

  const EncodeArgs& args_;
  const Run& run_;
  Card card_;
  std::int64_t depth_ = args_.rows.cols;
  int threads_ = 1;
  std::int64_t* next_ = nullptr;
  double *center_ = nullptr, *rest_ = nullptr;
};

Status encode(const EncodeArgs& args, const Run& run) {
  return with_listed_card(args, [&]<class Card, class T>() { return Encode<Card, T>(args, run).compute(); });
}

}  // namespace
}  // namespace horoball
