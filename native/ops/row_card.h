// What a row card is written in. A row-wise operation takes up to three vectors x, y, u of a row and answers
// with a combination of them, or with a number. Its card sees only the row's scalars below, and says the
// coefficients; the families in native/cpu/ own the vectors, and get every gradient from the same formula by
// dual numbers.
//
// The second vector comes in twice: as y, and inside the pair p = x + beta y, where beta is the card's own
// (+1 for a sum, -1 for a difference, or a function of the norms). p is formed coordinate by coordinate, so
// formulas in |p|^2 keep their digits where inner products would cancel.
#pragma once

#include <cmath>

#include "dual.h"
#include "hd.h"

namespace horoball::rowwise {

template <class T>
struct RowState {
  bool hypmix = false;  // with the published guards
  T c = 1;              // minus the curvature
  T t = 0;              // the card's own parameter
  T x2, y2, u2;         // squared norms
  T a, b;               // 1 - c|x|^2 and 1 - c|y|^2, compensated
  T beta;               // y's share in p
  T p2;                 // |x + beta y|^2
  T xu, yu, pu;         // inner products with u
  double px;            // <p, x>, where the card asks for it
  T time;               // the coordinate before x, where the card says that there is one
};

// out = x X + y Y + p (X + beta Y) + u U; `value` is the number, or the coordinate before the vector.
template <class T>
struct RowTerms {
  T x = 0, y = 0, p = 0, u = 0, value = 0;
};

enum class RowFamily : unsigned char { row, matvec, midpoint, planes };
enum class RowResult : unsigned char { vector, number, lifted };  // lifted: a coordinate, then the vector

struct RowParameter {
  const char* name = nullptr;
  const char* doc = "";
  double start = 0;  // the default; NaN where the caller must give one
  double low = -HUGE_VAL, high = HUGE_VAL;
  bool leading = false;  // comes first among the arguments, not in the options
};

// Where the rows of an input lie.
enum class RowDomain : unsigned char { ball, klein, hyperboloid, anywhere };

struct RowInput {
  const char* name = nullptr;
  const char* doc = "";
  RowDomain domain = RowDomain::ball;
};

struct RowInfo {
  const char* name;
  const char* doc;            // what it is, with the formula
  const char* gradient = "";  // at the rim, the origin and coincident points, where that needs saying
  RowInput inputs[3];
  RowParameter parameter = {};
  RowResult result = RowResult::vector;
  RowFamily family = RowFamily::row;
  bool lifted_input = false;  // the first input has a coordinate before its vector
  bool curved = true;         // c enters the formula
  bool published = false;     // `compat: 'hypmix'` has guards of its own
  double tolerance = 1e-13;   // worst relative error against the oracle, float64, a tensor's norm

  constexpr int vectors() const {
    int n = 0;
    while (n < 3 && inputs[n].name != nullptr) ++n;
    return n;
  }
};

// What most cards share; a card overrides what differs.
struct RowCard {
  static constexpr bool kPairScaled = false;  // beta is no constant: its slopes count, those in c and t too
  static constexpr bool kPairAlong = false;   // the formula asks for <p, x>
  static constexpr bool kHeldInside = false;  // what rounding takes beyond the rim is shortened to it
  template <class T>
  HD static T beta(const RowState<T>&) {
    return T(1);
  }
};

// A point on or outside the rim counts as one with 1 - c|x|^2 = kRim: conformal factors stay finite, and its
// radius no longer has a gradient. Distances from it are infinite.
inline constexpr double kRim = 1e-30;

template <class T>
HD bool on_rim(const T& inside) {
  return value(inside) <= kRim;
}

}  // namespace horoball::rowwise
