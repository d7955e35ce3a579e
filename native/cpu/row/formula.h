// The row cards as tables of functions. Compiled once (formula.cc) and not per ISA level, so that all levels evaluate
// the formulas in the same way.
#pragma once

#include <span>

#include "core.h"
#include "ops/row_slopes.h"

namespace horoball::rowwise {

static_assert(sizeof(RowInfo::inputs) == kRowInputs * sizeof(RowInput),
              "RowArgs must have as many inputs as a card");

struct RowFormula {
  const RowInfo* info;
  bool pair_scaled, pair_along, held_inside;
  double (*beta)(const RowState<double>&);
  RowTerms<double> (*terms)(const RowState<double>&);
  void (*slopes)(const RowState<double>&, const RowWeights&, RowSlopes&);
};

// Returns the formulas, in the order of ops/rows.h.
std::span<const RowFormula> row_formulas();

// Returns 1 - c|x|^2 for the squared norm high + low, limited as in inside_of() of ops/row_slopes.h.
double row_inside(bool hypmix, double c, double high, double low);

// Returns the power of two by which the weights of a midpoint are divided, given the largest weight (weight_unit() in
// ops/row/midpoint.h).
double row_weight_unit(double largest);

}  // namespace horoball::rowwise
