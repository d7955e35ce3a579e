// The row cards as tables of functions: what the row families ask of a formula. Compiled once
// (row_formula.cc) and not per ISA level, so that all levels share every digit of it.
#pragma once

#include <span>

#include "core.h"
#include "ops/row_slopes.h"

namespace horoball::rowwise {

struct RowFormula {
  const RowInfo* info;
  bool pair_scaled, pair_along, held_inside;
  double (*beta)(const RowState<double>&);
  RowTerms<double> (*terms)(const RowState<double>&);
  void (*slopes)(const RowState<double>&, const RowWeights&, RowSlopes&);
};

// In the order of the registry.
std::span<const RowFormula> row_formulas();

// 1 - c(high + low) to the last digit, where high + low is a squared norm. Under the published guards as it
// is, else at least kRim.
double row_inside(bool hypmix, double c, double high, double low);

}  // namespace horoball::rowwise
