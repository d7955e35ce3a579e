// Rows divided into lists, each with a center, and stored as 8-bit codes of their differences from that center.
//
// A row x (divided by its norm if the metric compares directions) is center + scale * code + r, with |r| <= error.
// The slots of a list are whole blocks of 16. A block stores the codes of its rows by pairs of coordinates, so that
// each lane adds up the inner product of one row. Four floats per slot are stored separately.
//
// A search is exact because every stored bound is rounded outward, away from the true value, by more than the error of
// its computation.
#pragma once

#include "core.h"
#include "cpu/frame/call.h"
#include "cpu/frame/memory.h"
#include "ops/metric_card.h"
#include "ops/square.h"

namespace horoball {
namespace {

// Per slot: the scale of its code, |scale * code|^2, the error, and a lower bound on the weight w of its row x (the
// rank of x for a query q is w |q - x|^2).
enum SlotFact { kScale, kSize, kError, kWeight };
static_assert(kWeight + 1 == kSlotFacts);
// Per list: the largest distance from the center to a row, in the metric (unused in flat space) and then as a Euclidean
// distance; the smallest weight of a row; and the card's quantity of the center.
enum ListFact { kRadius, kReach, kLightest, kOwn };
static_assert(kOwn + 1 == kListFacts);

// Factors that cover a few float32 roundings, and a bound for squares that underflow.
constexpr float kUp = 1 + 0x1p-20f, kDown = 1 - 0x1p-20f, kTiny = 1e-36f;

inline float rounded_up(double x) { return static_cast<float>(x) * kUp + 0x1p-125f; }
inline float rounded_down(double x) { return static_cast<float>(x < 3e38 ? x : 3e38) * kDown; }

inline std::int64_t pairs_of(std::int64_t depth) { return ceil_div(depth, 2); }
inline std::int64_t block_bytes(std::int64_t depth) { return pairs_of(depth) * 2 * kSlots; }

// Returns the index of coordinate k of a center in `panels`. Centers are stored 16 at a time, coordinate by coordinate.
inline std::int64_t panel_at(std::int64_t list, std::int64_t k, std::int64_t depth) {
  return (list / kSlots * depth + k) * kSlots + list % kSlots;
}

// Whether lists can bound the metric of a card: its rank must be the squared difference times a weight of the row.
template <class Card>
constexpr bool kListed = Card::kRows != Rows::minkowski && (Card::kBounded || !Card::kInfo.curved);

// The values of a row that lists use: the factor that multiplies it, the card's quantity, and whether it is at a finite
// distance from other rows.
struct Listed {
  double factor = 1, own = 1;
  bool reachable = true;
};
template <class Card, class T>
inline Listed listed(const Card& card, const T* row, std::int64_t depth) {
  const Square n = square(row, depth, false);
  Listed of;
  if constexpr (Card::kRows == Rows::unit) of.factor = inverse_norm(row, depth, n);
  if constexpr (Card::kBounded) {
    const double a = one_minus(card.c, n);
    of.own = card.q(a);
    of.reachable = a > 0;
  }
  // The squared norm of a large float64 row can overflow, although its direction is finite.
  const bool finite = Card::kRows == Rows::unit && sizeof(T) == 8 ? n.high == n.high && of.factor < HUGE_VAL
                                                                  : n.high < HUGE_VAL;
  of.reachable = of.reachable && finite;
  return of;
}

// Whether a row can have a code. A row without a direction cannot: it is at the same distance from all others.
template <class Card>
inline bool has_code(const Listed& of) {
  return Card::kRows != Rows::unit || of.factor != 0;
}

// Returns the squared difference of two rows, in float64. It is 2 if either row has no code, as for orthogonal directions.
template <class Card, class T>
inline double squared_between(const T* x, const Listed& of_x, const T* y, const Listed& of_y,
                              std::int64_t depth) {
  if (!has_code<Card>(of_x) || !has_code<Card>(of_y)) return 2;
  return squared_difference(x, of_x.factor, y, of_y.factor, depth, false);
}

// Calls body with the card and the type, or returns an error if lists do not support the metric.
template <class Args, class Body>
inline Status with_listed_card(const Args& args, Body body) {
  return with_card(args, [&]<class Card, class T>() {
    if constexpr (kListed<Card>) {
      return body.template operator()<Card, T>();
    } else {
      Status status{Code::unsupported};
      std::snprintf(status.message, sizeof status.message,
                    "an index does not support the metric %s%s. Search without an index.", Card::kInfo.name,
                    args.guards == Guards::hypmix ? " with compat" : "");
      return status;
    }
  });
}

}  // namespace
}  // namespace horoball
