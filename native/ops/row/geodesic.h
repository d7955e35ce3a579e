// The geodesic, x (+) (t (*) ((-x) (+) y)) with Möbius addition (+) and scalar multiplication t (*). Between the points X
// and Y of the hyperboloid it is [sinh((1-t)l) X + sinh(t l) Y] / sinh l with l = sqrt c d(x,y); mapped back to the ball,
// with a, b = 1 - c|x|^2, 1 - c|y|^2:
//   2(A b x + B a y) / (ab + A b (2-a) + B a (2-b)),   A = sinh((1-t)l)/sinh l, B = sinh(t l)/sinh l.
// Between its ends every term is positive; A and B are functions of u = sinh^2(l/2), smooth at coincident
// points. Beyond the ends A b and B a would cancel for near points, so another form is used if l < 1, with
// p = x - y, A + B = cosh((2t-1)l/2)/cosh(l/2) and a - b = c(|p|^2 - 2<p,x>):
//   2([(A+B)b + B(a-b)] x - B a p) / (ab + (A+B)b(2-a) + 2B(a-b)).
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Geodesic : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "geodesic",
      .doc =
          "The point at `t` on the geodesic from `x` (t = 0) to `y` (t = 1), at constant speed: `x (+) (t "
          "(*) ((-x) (+) y))`. Any `t` is allowed; points far beyond the ends round onto the rim.",
      .inputs = {{"x", "ball points, where t = 0"}, {"y", "ball points, where t = 1"}},
      .parameter = {.name = "t",
                    .doc = "the position between the ends, any finite number",
                    .start = NAN,
                    .leading = true},
      // A and B are quotients of sums, whose errors add up.
      .tolerance = kRowAccuracy.with_value({1e-7, 3e-14}),
  };
  static constexpr bool kPairAlong = true;
  static constexpr bool kHeldInside = true;
  // At this distance from an end, in units of 1/sqrt(c), every point rounds to the rim: opposite points with
  // 1 - c|x|^2 = kRim, the smallest value that occurs, are 141 apart.
  static constexpr double kRimDistance = 200;
  // If l^2 is below kLeast, the ends count as equal, and t is limited to kMost, so that t^2 does not overflow.
  static constexpr double kMost = 1e60, kLeast = 1e-120;
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T u = r.c * r.p2 / (r.a * r.b), h = arsinhc(u), l2 = 4 * u * h * h, t = reached(r.t, l2), s = 1 - t;
    const T from_y = t * sinhc(t * t * l2), whole = sinhc(l2) * r.a * r.b;
    RowTerms<T> out;
    if (value(l2) < 1) {
      const T middle = t - 0.5, sum = sinhc(l2 / 4) * cosh_root(middle * middle * l2) * r.b;
      const T rest = from_y * with_value(r.a - r.b, value(r.c) * (value(r.p2) - 2 * r.px));
      const T d = divisor(whole + sum * (2 - r.a) + 2 * rest, whole);
      out.x = 2 * (sum + rest) / d;
      out.p = -2 * from_y * r.a / d;
    } else {
      const T x = s * sinhc(s * s * l2) * r.b, y = from_y * r.a;
      const T d = divisor(whole + x * (2 - r.a) + y * (2 - r.b), whole);
      out.x = 2 * x / d;
      out.y = 2 * y / d;
    }
    return out;
  }

 private:
  // Returns the denominator d of the result, at least 2 `whole`. In exact arithmetic, d is `whole` times (1 + time), where
  // time >= 1 is sqrt(c) times the time coordinate of the result; on a path inward from the rim, d may cancel.
  template <class T>
  HD static T divisor(const T& d, const T& whole) {
    const double least = 2 * value(whole);
    return value(d) > least ? d : with_value(d, least);
  }

  // Returns t, limited so that the point is at most kRimDistance from the end that is farther away.
  template <class T>
  HD static T reached(const T& t, const T& l2) {
    const double v = value(t), beyond = v > 0.5 ? v : v - 1;
    if (value(l2) < kLeast) return std::fabs(v) > kMost ? T(std::copysign(kMost, v)) : t;
    if (!(std::fabs(beyond) * std::sqrt(value(l2)) > kRimDistance)) return t;
    const T most = kRimDistance / root(l2);
    return v > 0.5 ? most : 1 - most;
  }
};

}  // namespace horoball::rowwise
