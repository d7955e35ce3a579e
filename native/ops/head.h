// The head maps a row x to the ball point project(expmap0(clip(x))). The three row cards define the formula. This file states
// their order, which the training layer reads through head_cards() in core.h, and uses them to compute the radius of the
// points of tied heads.
#pragma once

#include "ops/rows.h"

namespace horoball {
namespace rowwise {

// In the order in which they are applied. Each scales a row, so only its norm changes.
using HeadCards = RowList<Clip, Expmap0, Project>;

}  // namespace rowwise

namespace {

// Tied heads: the rows x are unit vectors, so all ball points have the same radius.
struct TiedRadius {
  double radius = 1, by_curvature = 0;
};

// Returns the parameter of one of the head's cards: the caller's clip, or the card's default.
template <class Card>
constexpr double head_parameter(double) {
  return Card::kInfo.parameter.start;
}
template <>
constexpr double head_parameter<rowwise::Clip>(double clip) {
  return clip;
}

// Returns the norm of a row after the cards have been applied in order.
template <class T, class... Cards>
inline T norm_after(rowwise::RowList<Cards...>, rowwise::RowState<T> row, T norm, double clip) {
  const auto apply = [&]<class Card>() {
    row.t = head_parameter<Card>(clip);
    row.x2 = norm * norm;
    norm = norm * Card::terms(row).x;
  };
  (apply.template operator()<Cards>(), ...);
  return norm;
}

inline TiedRadius tied_radius(double c, double clip, bool published) {
  using Number = rowwise::Dual<1>;
  rowwise::RowState<Number> row;
  row.hypmix = published;
  row.c = Number::variable(c, 0);
  const Number norm = norm_after(rowwise::HeadCards{}, row, Number(1), clip);
  return {norm.v, norm.d[0]};
}

// Returns a metric card's quantity q, which is the same for every ball point of tied heads.
template <class Card>
inline double tied_quantity(double c, double radius) {
  return Card{c}.q(1 - c * radius * radius);
}

}  // namespace
}  // namespace horoball
