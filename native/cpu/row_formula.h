// The row cards as tables of functions: what the row families ask of a formula. Compiled once
// (row_formula.cc) and not per ISA level, so that all levels share every digit of it.
#pragma once

#include <span>

#include "../core.h"
#include "../ops/row_card.h"

namespace horoball::rowwise {

// Inner products of the cotangent with a row's vectors, and its own coordinate before them.
struct RowWeights {
  double x = 0, y = 0, p = 0, u = 0, value = 0;
  double py = 0;  // <p, y>, wanted where beta depends on the row
};

// The derivatives of <cotangent, result> by the row's scalars, and the result's terms.
struct RowSlopes {
  RowTerms<double> terms;
  double c, t, x2, time, y2, p2, u2, xu, yu, pu;
};

struct RowFormula {
  const RowInfo* info;
  bool pair_scaled;
  double (*beta)(const RowState<double>&);
  RowTerms<double> (*terms)(const RowState<double>&);
  void (*slopes)(const RowState<double>&, const RowWeights&, RowSlopes&);
};

// In the order of the registry.
std::span<const RowFormula> row_formulas();

// Why the arguments of a call could crash its family, or null.
const char* row_misfit(const RowArgs& args, bool backward);

// 1 - c(high + low) to the last digit, where high + low is a squared norm. Under the published guards as it
// is, else at least kRim.
double row_inside(bool hypmix, double c, double high, double low);

}  // namespace horoball::rowwise
