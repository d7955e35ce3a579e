#include "row_formula.h"

#include "../ops/rows.h"

namespace horoball::rowwise {
namespace {

// How many vectors a card's formula speaks of; the families of their own hand over what their notes say.
template <class Card>
constexpr int vectors() {
  return Card::kInfo.family == RowFamily::midpoint ? 1 : Card::kInfo.vectors();
}

// Places of the variables in a dual number. One vector has `time` where two have y.
enum Place { kC, kT, kX2, kTime, kY2 = kTime, kP2, kBeta, kU2, kXu, kYu, kPu };
constexpr int kPlaces[] = {0, kTime + 1, kBeta + 1, kPu + 1};

// 1 - c|v|^2 with the exact value at hand. On the rim it stands still, unless the published formula goes on.
template <int N>
Dual<N> inside(const RowState<double>& s, double value, const Dual<N>& c, const Dual<N>& square) {
  if (on_rim(value) && !s.hypmix) return value;
  Dual<N> out = 1 - c * square;
  out.v = value;
  return out;
}

template <int N>
RowState<Dual<N>> variables(const RowState<double>& s) {
  using D = Dual<N>;
  RowState<D> r;
  r.hypmix = s.hypmix;
  r.c = D::variable(s.c, kC);
  r.t = D::variable(s.t, kT);
  r.x2 = D::variable(s.x2, kX2);
  r.a = inside(s, s.a, r.c, r.x2);
  if constexpr (N == kPlaces[1]) r.time = D::variable(s.time, kTime);
  if constexpr (N >= kPlaces[2]) {
    r.y2 = D::variable(s.y2, kY2);
    r.b = inside(s, s.b, r.c, r.y2);
    r.p2 = D::variable(s.p2, kP2);
    r.beta = D::variable(s.beta, kBeta);
  }
  if constexpr (N >= kPlaces[3]) {
    r.u2 = D::variable(s.u2, kU2);
    r.xu = D::variable(s.xu, kXu);
    r.yu = D::variable(s.yu, kYu);
    r.pu = D::variable(s.pu, kPu);
  }
  return r;
}

// The chain rule of every row card: <cotangent, result> as a function of the row's scalars, by dual numbers.
template <class Card>
void slopes(const RowState<double>& s, const RowWeights& w, RowSlopes& out) {
  constexpr int n = vectors<Card>(), places = kPlaces[n];
  const auto r = variables<places>(s);
  const auto k = Card::terms(r);
  auto l = k.x * w.x + k.y * w.y + k.p * w.p + k.u * w.u + k.value * w.value;
  if constexpr (Card::kPairScaled) {
    const double by_beta = l.d[kBeta] + k.p.v * w.y + 2 * l.d[kP2] * w.py;
    const auto beta = Card::beta(r);
    for (int i = 0; i < places; ++i) l.d[i] += by_beta * beta.d[i];
  }
  out.terms = {k.x.v, k.y.v, k.p.v, k.u.v, k.value.v};
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

template <class Card>
RowFormula formula() {
  return {&Card::kInfo, Card::kPairScaled, Card::template beta<double>, Card::template terms<double>,
          slopes<Card>};
}

template <class... Cards>
std::span<const RowFormula> table(RowList<Cards...>) {
  static const RowFormula all[] = {formula<Cards>()...};
  return all;
}

struct Shape {
  std::int64_t rows, cols;
};

template <class AnyMatrix>
bool is(const AnyMatrix& m, Shape s) {
  return (m.data != nullptr || s.rows * s.cols == 0) && m.rows == s.rows && m.cols == s.cols;
}

// The shapes of a call's inputs and of its result, as its family has them.
struct Shapes {
  Shape inputs[3] = {};
  Shape result = {};
};

Shapes shapes(const RowInfo& info, const RowArgs& a) {
  const ConstMatrix &first = a.inputs[0], &second = a.inputs[1];
  const std::int64_t n = a.rows, d = first.cols;
  switch (info.family) {
    case RowFamily::matvec:
      return {{{first.rows, d}, {n, d}}, {n, first.rows}};
    case RowFamily::midpoint:
      return {{{n, d}, {n, 1}}, {1, d}};
    case RowFamily::planes:
      return {{{n, d}, {second.rows, d}, {second.rows, d}}, {n, second.rows}};
    case RowFamily::row:
      break;
  }
  const std::int64_t inside = d - (info.lifted_input ? 1 : 0);
  const std::int64_t cols =
      info.result == RowResult::number ? 1 : inside + (info.result == RowResult::lifted ? 1 : 0);
  return {{{n, d}, {n, inside}, {n, inside}}, {n, cols}};
}

bool fits(const RowInfo& info, const RowArgs& a, bool backward) {
  const Shapes want = shapes(info, a);
  for (int i = 0; i < info.vectors(); ++i) {
    const bool optional = info.family == RowFamily::midpoint && i == 1;
    const bool one_for_all = info.family == RowFamily::row && is(a.inputs[i], {1, want.inputs[i].cols});
    if (optional && a.inputs[i].data == nullptr) continue;
    if (!one_for_all && !is(a.inputs[i], want.inputs[i])) return false;
    if (a.grads[i].data != nullptr && !is(a.grads[i], {a.inputs[i].rows, a.inputs[i].cols})) return false;
  }
  return a.rows >= 0 && (backward ? is(a.cotangent, want.result) : is(a.out, want.result));
}

}  // namespace

std::span<const RowFormula> row_formulas() { return table(RowCards{}); }

const char* row_misfit(const RowArgs& args, bool backward) {
  const auto all = row_formulas();
  if (args.op < 0 || static_cast<std::size_t>(args.op) >= all.size()) return "no such row-wise operation";
  return fits(*all[args.op].info, args, backward) ? nullptr : "matrices that do not fit together";
}

double row_inside(bool hypmix, double c, double high, double low) {
  const double product = c * high, error = std::fma(c, high, -product);
  const double rest = 1 - product;
  const double lost = (1 - rest) - product;  // rest + lost is 1 - product exactly
  const double inside = rest + (lost - error - c * low);
  return hypmix || !(inside < kRim) ? inside : kRim;
}

}  // namespace horoball::rowwise
