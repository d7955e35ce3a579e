#include "row_map.h"

namespace horoball::train {
namespace {

// State that backward needs in addition to the rows. It holds no reference to the model, which may be disposed of earlier.
struct RowCall : torch::CustomClassHolder {
  RowCall(const Target& target, const RowArgs& args) : target(target), args(args) {}

  Target target;
  RowArgs args;
  std::vector<bool> wants;  // whether each input needs a gradient
  bool wants_c = false;
};

// Maps one or two matrices to rows, or to one number per row.
class RowMap : public torch::autograd::Function<RowMap> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, at::TensorList inputs, const at::Tensor& c,
                            const Target& target, RowArgs args, bool to_numbers) {
    torch::autograd::variable_list rows;
    for (const auto& each : inputs) rows.push_back(rows_for_core(each, target.device));
    args.type = element_type(rows[0]);
    args.rows = rows[0].size(0);
    args.c = c.item<double>();
    auto call = c10::make_intrusive<RowCall>(target, args);
    for (const auto& each : inputs) call->wants.push_back(each.requires_grad());
    call->wants_c = c.requires_grad();
    const at::Tensor out =
        to_numbers ? at::empty({args.rows, 1}, rows[0].options()) : at::empty_like(rows[0]);
    for (std::size_t i = 0; i < rows.size(); ++i) args.inputs[i] = const_matrix_of(rows[i]);
    args.out = matrix_of(out);
    require_ok(target.backend->row(args, target.run()));
    ctx->save_for_backward(rows);
    ctx->saved_data["call"] = c10::IValue::make_capsule(call);
    return out.to(inputs[0].options());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    const auto call = c10::static_intrusive_pointer_cast<RowCall>(ctx->saved_data["call"].toCapsule());
    const auto rows = ctx->get_saved_variables();
    const at::Tensor cotangent = rows_for_core(upstream[0], call->target.device);
    torch::autograd::variable_list grads(rows.size());
    at::Tensor scalars;
    RowArgs args = call->args;
    args.cotangent = const_matrix_of(cotangent);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      args.inputs[i] = const_matrix_of(rows[i]);
      if (call->wants[i]) args.grads[i] = matrix_of(grads[i] = at::empty_like(rows[i]));
    }
    if (call->wants_c) {
      scalars = at::empty({2}, rows[0].options().dtype(at::kDouble));  // c, then the parameter
      args.grad_scalars = scalars.data_ptr<double>();
    }
    require_ok(call->target.backend->row_vjp(args, call->target.run()));
    for (auto& grad : grads)
      if (grad.defined()) grad = grad.to(upstream[0].options());
    grads.push_back(call->wants_c ? scalars[0].to(at::kCPU) : at::Tensor());
    grads.resize(grads.size() + 3);  // the other arguments have no gradient
    return grads;
  }
};

at::Tensor apply(const Tables& tables, const RowOperation& operation, Guards guards, at::TensorList inputs,
                 const at::Tensor& c, bool to_numbers) {
  RowArgs args;
  args.op = operation.index;
  args.parameter = operation.parameter;
  args.guards = guards;
  return RowMap::apply(inputs, c, target_of(tables, inputs[0].device()), args, to_numbers);
}

}  // namespace

at::Tensor map_rows(const Tables& tables, const RowOperation& operation, Guards guards, const at::Tensor& x,
                    const at::Tensor& c) {
  return apply(tables, operation, guards, {x}, c, false);
}

at::Tensor map_to_numbers(const Tables& tables, const RowOperation& operation, at::TensorList inputs,
                          const at::Tensor& c) {
  return apply(tables, operation, Guards::clean, inputs, c, true).squeeze(1);
}

}  // namespace horoball::train
