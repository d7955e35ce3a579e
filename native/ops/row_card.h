// The contract of a row card. A row-wise operation takes up to three vectors x, y, u of a row and returns a linear
// combination of them, or a number. Its card computes the coefficients from the scalars of the row (RowState) alone; the
// families process the vectors and derive every gradient from the same formula by dual numbers.
//
// The second vector enters twice: as y, and in the pair p = x + beta y, where the card defines beta (+1 for a sum,
// -1 for a difference, or a function of the norms). p is formed coordinate by coordinate, so formulas in |p|^2 are
// accurate where inner products would cancel.
#pragma once

#include <cmath>

#include "dual.h"
#include "hd.h"
#include "tolerance.h"

namespace horoball::rowwise {

template <class T>
struct RowState {
  bool hypmix = false;  // with the published guards
  T c = 1;              // the curvature is -c
  T t = 0;              // the parameter of the card
  T x2, y2, u2;         // squared norms
  T a, b;               // 1 - c|x|^2 and 1 - c|y|^2, compensated
  T beta;               // the factor of y in p
  T p2;                 // |x + beta y|^2
  T xu, yu, pu;         // inner products with u
  double px;            // <p, x>, if the card uses it
  T time;               // the coordinate before x, if the card has one
};

// Coefficients of the result, terms.x x + terms.y y + terms.p (x + beta y) + terms.u u. `value` is the result of a card
// that returns a number, or the coordinate that precedes the vector.
template <class T>
struct RowTerms {
  T x = 0, y = 0, p = 0, u = 0, value = 0;
};

enum class RowFamily : unsigned char { row, matvec, midpoint, planes };
enum class RowResult : unsigned char { vector, number, lifted };  // lifted: a coordinate, then the vector

struct RowParameter {
  const char* name = nullptr;
  const char* doc = "";
  double start = 0;  // the default; NaN if the caller must give a value
  double low = -HUGE_VAL, high = HUGE_VAL;
  bool leading = false;  // the first argument, not an option
};

// The space to which the rows of an input belong.
enum class RowDomain : unsigned char { ball, klein, hyperboloid, anywhere };

struct RowInput {
  const char* name = nullptr;
  const char* doc = "";
  RowDomain domain = RowDomain::ball;
};

// The accuracy of most cards, relative to the norm of a result or gradient. The sums of a row are computed in float64
// and rounded once, so a float32 error is only slightly above 2^-24. Sums over rows, such as the gradient of c, remain
// in float64.
inline constexpr Accuracy kRowAccuracy = {{{1e-7, 1e-14}, {1e-7, 1e-11}, {1e-11, 1e-11}},
                                          {{1e-6, 1e-13}, {1e-5, 1e-10}, {1e-5, 1e-9}}};

struct RowInfo {
  const char* name;
  const char* doc;            // with the formula
  const char* gradient = "";  // documents special cases of the gradient, such as the rim
  RowInput inputs[3];
  RowParameter parameter = {};
  RowResult result = RowResult::vector;
  RowFamily family = RowFamily::row;
  bool lifted_input = false;  // the first input has a coordinate before its vector
  bool curved = true;         // c enters the formula
  bool published = false;     // `compat: 'hypmix'` changes the guards
  Accuracy tolerance = kRowAccuracy;

  constexpr int vectors() const {
    int n = 0;
    while (n < 3 && inputs[n].name != nullptr) ++n;
    return n;
  }
};

// The defaults of a card.
struct RowCard {
  // Whether beta depends on the row. If so, its derivatives contribute to the gradients, including those of c and t.
  static constexpr bool kPairScaled = false;
  // Whether the formula uses <p, x>.
  static constexpr bool kPairAlong = false;
  // Whether a result that rounding moves beyond the rim is scaled back to it.
  static constexpr bool kHeldInside = false;
  template <class T>
  HD static T beta(const RowState<T>&) {
    return T(1);
  }
};

// The defaults of a card whose p is the difference x - y.
struct RowDifferenceCard : RowCard {
  template <class T>
  HD static T beta(const RowState<T>&) {
    return T(-1);
  }
};

// Without the published guards, a point on or outside the rim is treated as one with 1 - c|x|^2 = kRim: conformal factors stay
// finite, and the gradient with respect to its radius is 0. Distances from it are infinite.
inline constexpr double kRim = 1e-30;

template <class T>
HD bool on_rim(const T& inside) {
  return value(inside) <= kRim;
}

}  // namespace horoball::rowwise
