// Möbius scalar multiplication, tanh(t artanh(sqrt c |x|)) x / (sqrt c |x|): t times as far from the origin.
// If tanh rounds to 1 or -1, the result is computed as x / (sqrt c |x|) or its negative: the squared argument could overflow.
#pragma once

#include "../row_card.h"
#include "../smooth.h"

namespace horoball::rowwise {

struct MobiusScalarMul : RowCard {
  static constexpr RowInfo kInfo{
      .name = "mobiusScalarMul",
      .doc =
          "Möbius scalar multiplication `t (*) x`: the point `t` times as far from the origin as `x`, on the "
          "same geodesic. `tanh(t artanh(sqrt(c) |x|)) x / (sqrt(c) |x|)`.",
      .inputs = {{"x", "ball points"}},
      .parameter = {.name = "t", .doc = "the factor, any finite number", .start = NAN, .leading = true},
  };
  static constexpr double kFull = 20;
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    const T z = r.c * r.x2, q = r.t * artanhc(z, r.a);
    RowTerms<T> out;
    const bool on_rim = std::fabs(value(q)) * std::sqrt(value(z)) > kFull;
    out.x = on_rim ? std::copysign(1.0, value(q)) / root(z) : q * tanhc(z * q * q);
    return out;
  }
};

}  // namespace horoball::rowwise
