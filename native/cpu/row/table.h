// The row-wise functions of the backend table: they select the family, the number of vectors and the element type.
#pragma once

#include "cpu/row/matvec.h"
#include "cpu/row/midpoint.h"
#include "cpu/row/planes.h"
#include "cpu/row/row.h"

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

}  // namespace
}  // namespace horoball::rowwise

namespace horoball {
namespace {

Status row(const RowArgs& args, const Run& run) {
  if (const Status checked = check_row(args, false); checked.code != Code::ok) return checked;
  huge_pages_for(args.out, args.type);
  const rowwise::RowFormula& formula = rowwise::row_formulas()[args.op];
  return with_type(args.type, [&]<class T>() { return rowwise::row_forward<T>(args, formula, run); });
}

Status row_vjp(const RowArgs& args, const Run& run) {
  if (const Status checked = check_row(args, true); checked.code != Code::ok) return checked;
  for (const Matrix& grad : args.grads) huge_pages_for(grad, args.type);
  const rowwise::RowFormula& formula = rowwise::row_formulas()[args.op];
  return with_type(args.type, [&]<class T>() { return rowwise::row_backward<T>(args, formula, run); });
}

}  // namespace
}  // namespace horoball
