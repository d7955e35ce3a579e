#include "row_map.h"

namespace horoball::train {
namespace {

// State that backward needs in addition to the rows. It holds no reference to the model, which may be disposed of earlier.
struct RowCall : torch::CustomClassHolder {
  RowCall(const Target& target, const RowArgs& args) : target(target), args(args) {}

  Target target;
  RowArgs args;
  bool wants_x = false, wants_c = false;
};

class RowMap : public torch::autograd::Function<RowMap> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::Tensor& c,
                            const Target& target, RowArgs args) {
    const at::Tensor rows = rows_for_core(x, target.device), out = at::empty_like(rows);
    args.type = element_type(rows);
    args.rows = rows.size(0);
    args.c = c.item<double>();
    auto call = c10::make_intrusive<RowCall>(target, args);
    call->wants_x = x.requires_grad();
    call->wants_c = c.requires_grad();
    args.inputs[0] = const_matrix_of(rows);
    args.out = matrix_of(out);
    require_ok(target.backend->row(args, target.run()));
    ctx->save_for_backward({rows});
    ctx->saved_data["call"] = c10::IValue::make_capsule(call);
    return out.to(x.options());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& upstream) {
    const auto call = c10::static_intrusive_pointer_cast<RowCall>(ctx->saved_data["call"].toCapsule());
    const at::Tensor rows = ctx->get_saved_variables()[0];
    const at::Tensor cotangent = rows_for_core(upstream[0], call->target.device);
    at::Tensor grad_x, scalars;
    RowArgs args = call->args;
    args.inputs[0] = const_matrix_of(rows);
    args.cotangent = const_matrix_of(cotangent);
    if (call->wants_x) args.grads[0] = matrix_of(grad_x = at::empty_like(rows));
    if (call->wants_c) {
      scalars = at::empty({2}, rows.options().dtype(at::kDouble));  // c, then the parameter
      args.grad_scalars = scalars.data_ptr<double>();
    }
    require_ok(call->target.backend->row_vjp(args, call->target.run()));
    return {call->wants_x ? grad_x.to(upstream[0].options()) : at::Tensor(),
            call->wants_c ? scalars[0].to(at::kCPU) : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor map_rows(const Tables& tables, const RowOperation& operation, Guards guards, const at::Tensor& x,
                    const at::Tensor& c) {
  RowArgs args;
  args.op = operation.index;
  args.parameter = operation.parameter;
  args.guards = guards;
  return RowMap::apply(x, c, target_of(tables, x.device()), args);
}

}  // namespace horoball::train

namespace horoball::node {

train::RowOperation Converter<train::RowOperation>::from(Arguments& in, const Napi::Value& value) {
  const auto operation = in.convert<Napi::Object>(value);
  return {in.property<std::int32_t>(operation, "index"), in.property<double>(operation, "parameter")};
}

}  // namespace horoball::node
