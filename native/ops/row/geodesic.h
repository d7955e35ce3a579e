// The geodesic, x (+) (t (x) ((-x) (+) y)). On the hyperboloid it is [sinh((1-t)l) X + sinh(t l) Y] / sinh l
// with l = sqrt c d(x,y); brought back to the ball, and with a, b = 1 - c|x|^2, 1 - c|y|^2:
//   2(A b x + B a y) / (ab + A b (2-a) + B a (2-b)),   A = sinh((1-t)l)/sinh l, B = sinh(t l)/sinh l.
// Between its ends every term is positive; A and B are functions of u = sinh^2(l/2), smooth at coincident
// points.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct Geodesic : RowCard {
  static constexpr RowInfo kInfo{
      .name = "geodesic",
      .doc =
          "The point at `t` on the geodesic from `x` (t = 0) to `y` (t = 1), at constant speed: "
          "`x (+) (t (x) ((-x) (+) y))`. Any `t` is allowed; far beyond the ends points round onto the rim.",
      .inputs = {{"x", "ball points, where t = 0"}, {"y", "ball points, where t = 1"}},
      .parameter = {.name = "t",
                    .doc = "the place between the ends, any finite number",
                    .start = NAN,
                    .leading = true},
  };
  static constexpr double kLargest = 300;  // exponents above it are scaled down
  template <class T>
  HD static T beta(const RowState<T>&) {
    return T(-1);
  }
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T u = r.c * r.p2 / (r.a * r.b), h = arsinhc(u), l2 = 4 * u * h * h, s = 1 - r.t;
    const double longest = std::fmax(std::fabs(value(r.t)), std::fabs(value(s))) * std::sqrt(value(l2));
    const double down = std::fmax(longest - kLargest, 0);
    const T from_x = s * sinhc(s * s * l2, down) * r.b, from_y = r.t * sinhc(r.t * r.t * l2, down) * r.a;
    const T d = sinhc(l2, down) * r.a * r.b + from_x * (2 - r.a) + from_y * (2 - r.b);
    RowTerms<T> out;
    out.x = 2 * from_x / d;
    out.y = 2 * from_y / d;
    return out;
  }
};

}  // namespace horoball::rowwise
