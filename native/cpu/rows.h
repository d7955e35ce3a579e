// The two slots of the table for row-wise operations: chooses the family, the number of vectors and the type.
#pragma once

#include "cpu/row.h"
#include "cpu/row_matvec.h"
#include "cpu/row_midpoint.h"
#include "cpu/row_planes.h"

namespace horoball::rowwise {
namespace {

template <class T>
Status row_forward(const RowArgs& args, const RowFormula& formula, const Run& run) {
  switch (formula.info->family) {
    case RowFamily::matvec:
      return matvec(MatvecCall<T>(args, formula), run);
    case RowFamily::midpoint:
      return midpoint(MidpointCall<T>(args, formula), run);
    case RowFamily::planes:
      return planes(PlanesCall<T>(args, formula), run);
    case RowFamily::row:
      break;
  }
  const RowCall<T> call(args, formula);
  const int vectors = formula.info->vectors();
  return vectors == 1 ? forward<1>(call, run) : vectors == 2 ? forward<2>(call, run) : forward<3>(call, run);
}

template <class T>
Status row_backward(const RowArgs& args, const RowFormula& formula, const Run& run) {
  switch (formula.info->family) {
    case RowFamily::matvec:
      return matvec_vjp(MatvecCall<T>(args, formula), run);
    case RowFamily::midpoint:
      return midpoint_vjp(MidpointCall<T>(args, formula), run);
    case RowFamily::planes:
      return planes_vjp(PlanesCall<T>(args, formula), run);
    case RowFamily::row:
      break;
  }
  const RowCall<T> call(args, formula);
  const int vectors = formula.info->vectors();
  return vectors == 1 ? vjp<1>(call, run) : vectors == 2 ? vjp<2>(call, run) : vjp<3>(call, run);
}

Status misfit(const char* why) {
  Status status{Code::unsupported};
  std::strncpy(status.message, why, sizeof status.message - 1);
  return status;
}

}  // namespace
}  // namespace horoball::rowwise

namespace horoball {
namespace {

Status row(const RowArgs& args, const Run& run) {
  if (const char* why = rowwise::row_misfit(args, false)) return rowwise::misfit(why);
  const rowwise::RowFormula& formula = rowwise::row_formulas()[args.op];
  return args.type == Type::f32 ? rowwise::row_forward<float>(args, formula, run)
                                : rowwise::row_forward<double>(args, formula, run);
}

Status row_vjp(const RowArgs& args, const Run& run) {
  if (const char* why = rowwise::row_misfit(args, true)) return rowwise::misfit(why);
  const rowwise::RowFormula& formula = rowwise::row_formulas()[args.op];
  return args.type == Type::f32 ? rowwise::row_backward<float>(args, formula, run)
                                : rowwise::row_backward<double>(args, formula, run);
}

}  // namespace
}  // namespace horoball
