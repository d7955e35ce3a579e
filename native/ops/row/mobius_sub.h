// Möbius subtraction, x (-) y = x (+) (-y): the formula of mobius_add.h with p = x - y, and equally accurate.
#pragma once

#include "../row_card.h"
#include "mobius_add.h"

namespace horoball::rowwise {

struct MobiusSub : RowDifferenceCard {
  static constexpr RowInfo kInfo{
      .name = "mobiusSub",
      .doc = "Möbius subtraction `x (-) y = x (+) (-y)`; exactly 0 for equal points.",
      .inputs = {{"x", "ball points"}, {"y", "ball points"}},
      .published = true,
  };
  template <class T>
  HD static RowTerms<T> terms(const RowState<T>& r) {
    return mobius_terms(r);
  }
};

}  // namespace horoball::rowwise
