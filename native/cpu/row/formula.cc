#include "cpu/row/formula.h"

#include <type_traits>

#include "ops/rows.h"

namespace horoball::rowwise {
namespace {

template <class Card>
RowFormula formula() {
  static_assert(Card::kInfo.family != RowFamily::planes || std::is_base_of_v<RowDifferenceCard, Card>,
                "the kernels of the planes family compute x - p");
  return {&Card::kInfo, Card::kPairScaled, Card::kPairAlong, Card::kHeldInside, Card::template beta<double>,
          terms<Card>,  slopes<Card>};
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
  return (m.data != nullptr || s.rows == 0 || s.cols == 0) && m.rows == s.rows && m.cols == s.cols;
}

// The shapes that a call's inputs and result must have.
struct Shapes {
  Shape inputs[kRowInputs] = {};
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

double row_inside(bool hypmix, double c, double high, double low) {
  return inside_of(hypmix, c, {high, low});
}

double row_weight_unit(double largest) { return weight_unit(largest); }

}  // namespace horoball::rowwise

namespace horoball {

Status check_row(const RowArgs& args, bool backward) {
  const auto all = rowwise::row_formulas();
  if (args.op < 0 || static_cast<std::size_t>(args.op) >= all.size())
    return {Code::unsupported, "unknown row-wise operation"};
  if (!rowwise::fits(*all[args.op].info, args, backward))
    return {Code::shape, "the shapes of the matrices do not match"};
  return {};
}

}  // namespace horoball
