// The terms that a row-wise family computes from a formula, and the chain rule for all cards.
#pragma once

#include "row_card.h"
#include "square.h"

namespace horoball::rowwise {

// Inner products of the cotangent with the vectors of a row, and the cotangent of RowTerms::value.
struct RowWeights {
  double x = 0, y = 0, p = 0, u = 0, value = 0;
  double py = 0;  // <p, y>, needed if beta depends on the row
};

// The derivatives of <cotangent, result> with respect to the scalars of a row, and the terms of the result.
struct RowSlopes {
  RowTerms<double> terms;
  double c, t, x2, time, y2, p2, u2, xu, yu, pu;
};

// 1 - c n, at least kRim except under the published guards.
HD double inside_of(bool hypmix, double c, const Square& n) {
  const double inside = one_minus(c, n);
  return hypmix || !(inside < kRim) ? inside : kRim;
}

// Whether a vector of the row contains NaN. The compensated squared norms are also NaN if they overflow.
HD bool has_nan(const RowState<double>& s) { return s.x2 != s.x2 || s.y2 != s.y2 || s.u2 != s.u2; }

// Returns the terms of the card; all NaN for a row with NaN, even if the formula does not depend on it.
template <class Card>
HD RowTerms<double> terms(const RowState<double>& s) {
  if (has_nan(s)) return {NAN, NAN, NAN, NAN, NAN};
  return Card::terms(s);
}

// Returns the number of vectors in the formula of a card; the midpoint family passes one.
template <class Card>
constexpr int vectors() {
  return Card::kInfo.family == RowFamily::midpoint ? 1 : Card::kInfo.vectors();
}

// Positions of the variables in a dual number. With one vector, kTime uses the position of kY2.
enum Place : int { kC, kT, kX2, kTime, kY2 = kTime, kP2, kBeta, kU2, kXu, kYu, kPu };
inline constexpr int kVariables[] = {0, kTime + 1, kBeta + 1, kPu + 1};

// 1 - c|v|^2, given its exact value. On the rim it is constant, except under the published guards.
template <int N>
HD Dual<N> inside(const RowState<double>& s, double value, const Dual<N>& c, const Dual<N>& square) {
  if (on_rim(value) && !s.hypmix) return value;
  Dual<N> out = 1 - c * square;
  out.v = value;
  return out;
}

template <int N>
HD RowState<Dual<N>> variables(const RowState<double>& s) {
  using D = Dual<N>;
  RowState<D> r;
  r.hypmix = s.hypmix;
  r.c = D::variable(s.c, kC);
  r.t = D::variable(s.t, kT);
  r.x2 = D::variable(s.x2, kX2);
  r.a = inside(s, s.a, r.c, r.x2);
  if constexpr (N == kVariables[1]) r.time = D::variable(s.time, kTime);
  if constexpr (N >= kVariables[2]) {
    r.y2 = D::variable(s.y2, kY2);
    r.b = inside(s, s.b, r.c, r.y2);
    r.p2 = D::variable(s.p2, kP2);
    r.beta = D::variable(s.beta, kBeta);
    r.px = s.px;
  }
  if constexpr (N >= kVariables[3]) {
    r.u2 = D::variable(s.u2, kU2);
    r.xu = D::variable(s.xu, kXu);
    r.yu = D::variable(s.yu, kYu);
    r.pu = D::variable(s.pu, kPu);
  }
  return r;
}

// Computes RowSlopes for any row card, with dual numbers.
template <class Card>
HD void slopes(const RowState<double>& s, const RowWeights& w, RowSlopes& out) {
  constexpr int n = vectors<Card>(), count = kVariables[n];
  const auto r = variables<count>(s);
  const auto k = Card::terms(r);
  auto l = k.x * w.x + k.y * w.y + k.p * w.p + k.u * w.u + k.value * w.value;
  if constexpr (Card::kPairScaled) {
    const double by_beta = l.d[kBeta] + k.p.v * w.y + 2 * l.d[kP2] * w.py;
    const auto beta = Card::beta(r);
    for (int i = 0; i < count; ++i) l.d[i] += by_beta * beta.d[i];
  }
  out.terms = {k.x.v, k.y.v, k.p.v, k.u.v, k.value.v};
  if (has_nan(s)) {
    out.terms = {NAN, NAN, NAN, NAN, NAN};
    for (int i = 0; i < count; ++i) l.d[i] = NAN;
  }
  out.c = l.d[kC];
  out.t = l.d[kT];
  out.x2 = l.d[kX2];
  if constexpr (n == 1) out.time = l.d[kTime];
  if constexpr (n >= 2) {
    out.y2 = l.d[kY2];
    out.p2 = l.d[kP2];
  }
  if constexpr (n >= 3) {
    out.u2 = l.d[kU2];
    out.xu = l.d[kXu];
    out.yu = l.d[kYu];
    out.pu = l.d[kPu];
  }
}

namespace {

// A combination of the vectors of a row, the pair x + beta y, and one more vector w.
struct Mix {
  double x = 0, y = 0, p = 0, u = 0, w = 0, beta = 0;
};

// Returns the gradient of input `which` as a combination of the vectors of a row and the cotangent.
HD Mix gradient_mix(int which, const RowSlopes& s, double beta) {
  const RowTerms<double>& k = s.terms;
  if (which == 0) return {2 * s.x2, 0, 2 * s.p2, s.xu + s.pu, k.x + k.p, beta};
  if (which == 1) return {0, 2 * s.y2, 2 * s.p2 * beta, s.yu + beta * s.pu, k.y + beta * k.p, beta};
  return {s.xu, s.yu, s.pu, 2 * s.u2, k.u, beta};
}

}  // namespace
}  // namespace horoball::rowwise
