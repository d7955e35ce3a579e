// The light core's door to Node: every family of the tables in core.h, one row each. No arithmetic here.
#include <napi.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <thread>

#include "../core.h"
#include "bind.h"
#include "image.h"
#include "job.h"
#include "library.h"

namespace horoball::node {
namespace {

template <class Args>
using Slot = Status (*Backend::*)(const Args&, const Run&);

// ---- What could crash when shapes do not agree ----

bool same(ConstMatrix a, std::int64_t rows, std::int64_t cols) { return a.rows == rows && a.cols == cols; }
bool fits(Matrix a, std::int64_t rows, std::int64_t cols) {
  return a.data == nullptr || (a.rows == rows && a.cols == cols);
}

bool consistent(const PairwiseArgs& a) {
  return a.x.cols == a.y.cols && same({nullptr, a.out.rows, a.out.cols}, a.x.rows, a.y.rows);
}
bool consistent(const PairwiseVjpArgs& a) {
  return a.x.cols == a.y.cols && same(a.cotangent, a.x.rows, a.y.rows) &&
         fits(a.grad_x, a.x.rows, a.x.cols) && fits(a.grad_y, a.y.rows, a.y.cols);
}
bool consistent(const ContrastArgs& a) {
  const ConstMatrix &e = a.euclidean, &h = a.hyperbolic;
  const bool curved = !a.tied && a.geometry != Geometry::euclidean;
  const bool flat = a.tied || a.geometry == Geometry::euclidean || a.geometry == Geometry::hybrid;
  return (e.data != nullptr || !flat) && (h.data != nullptr || !curved) && same(h, e.rows, e.cols) &&
         a.views > 1 && e.rows % a.views == 0 && a.loss != nullptr &&
         fits(a.grad_euclidean, e.rows, e.cols) && fits(a.grad_hyperbolic, h.rows, h.cols);
}
bool consistent(const SelectArgs& a) {
  return a.queries.cols == a.gallery.cols && a.k > 0 && a.indices != nullptr &&
         same({nullptr, a.distances.rows, a.distances.cols}, a.queries.rows, a.k);
}
bool consistent(const DeltaArgs& a) {
  return a.distances.data != nullptr && a.distances.rows == a.distances.cols && a.base >= 0 &&
         a.base < a.distances.rows && a.delta != nullptr && a.diameter != nullptr;
}

// ---- Lengths of lists ----

std::int64_t samples(const ContrastArgs& a) { return a.euclidean.rows; }
std::int64_t queries(const SelectArgs& a) { return a.queries.rows; }
std::int64_t gallery(const SelectArgs& a) { return a.gallery.rows; }
std::int64_t answers(const SelectArgs& a) { return a.queries.rows * a.k; }

// ---- From a row of the list below to a function ----

// device: -2 the first CUDA device if there is one and the CPU otherwise, -1 the CPU, else that CUDA device.
const Backend* backend(int device, Status& why) {
  if (device == -1) return cpu();
  const Backend* found = cuda(std::max(device, 0), &why);
  return found == nullptr && device == -2 ? cpu() : found;
}

Status refuse(const char* name) {
  Status status{Code::unsupported};
  std::snprintf(status.message, sizeof status.message, "the %s backend does not have this function", name);
  return status;
}

// What every call ends with: the device, and how it runs.
template <class Args, Slot<Args> slot>
Napi::Value finish(const Arguments& in, const Args& args, int device, Way way) {
  Status why{Code::device};
  const Backend* chosen = backend(device, why);
  if (chosen == nullptr) throw error_from(in.env(), why);
  const auto function = chosen->*slot;
  if (function == nullptr) throw error_from(in.env(), refuse(chosen->name));
  return launch(in, way, [args, function](const Run& run) { return function(args, run); });
}

template <class Args, Slot<Args> slot, auto... fields>
Napi::Value call(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Args args;
  (in.read(args, fields), ...);
  args.type = in.type();
  in.require(consistent(args), "matrices that fit together");
  const int device = in.number<int>();
  return finish<Args, slot>(in, args, device, way_of(in));
}

// Row-wise calls may be tiny, so their numbers come in one array: op, guards, c, the card's own, rows, the
// shapes of three inputs and of the result, device, threads, job. (Each costs 20 ns as an argument, and a
// seventh argument an allocation.) Their shapes are checked by the family, which knows the card.
constexpr std::size_t kRowNumbers = 16;

RowArgs row_args(std::span<const double> n) {
  RowArgs args;
  args.op = static_cast<std::int32_t>(n[0]);
  args.guards = n[1] == 0 ? Guards::clean : Guards::hypmix;
  args.c = n[2];
  args.scalars[0] = n[3];
  args.rows = static_cast<std::int64_t>(n[4]);
  return args;
}

template <Slot<RowArgs> slot, bool backward>
Napi::Value call_row(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const auto n = in.numbers(kRowNumbers);
  RowArgs args = row_args(n);
  for (int i = 0; i < 3; ++i) in.matrix(args.inputs[i], n[5 + 2 * i], n[6 + 2 * i]);
  if constexpr (backward) {
    in.matrix(args.cotangent, n[11], n[12]);
    for (int i = 0; i < 3; ++i) in.matrix(args.grads[i], n[5 + 2 * i], n[6 + 2 * i]);
    in.list(args.grad_scalars, 2);
  } else {
    in.matrix(args.out, n[11], n[12]);
  }
  args.type = in.type();
  const Way way{static_cast<int>(n[14]), static_cast<std::uint32_t>(n[15])};
  return finish<RowArgs, slot>(in, args, static_cast<int>(n[13]), way);
}

// Hands out the matrices of a short call, which lie one behind another.
class Layout {
 public:
  Layout(std::span<double> memory, std::size_t element)
      : at_(reinterpret_cast<std::byte*>(memory.data())),
        left_(memory.size_bytes() / element),
        element_(element) {}

  // No columns: not given.
  template <class Shape>
  void take(Shape& to, double rows, double cols) {
    if (cols == 0) return;
    const double count = rows * cols;
    if (!(rows >= 0 && cols > 0 && count <= static_cast<double>(left_))) {
      overrun_ = true;
      return;
    }
    to = {at_, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)};
    at_ += static_cast<std::size_t>(count) * element_;
    left_ -= static_cast<std::size_t>(count);
  }
  bool overrun() const { return overrun_; }

 private:
  std::byte* at_;
  std::size_t left_, element_;
  bool overrun_ = false;
};

// An at-once call on a few numbers: all that it reads and writes lies in the standing array, since asking an
// array for its memory costs more than the arithmetic. The numbers of call_row; the size of an element; the
// gradients of c and of the card's own number; from kShortData on the inputs, then either the result or the
// cotangent and the gradients.
constexpr std::size_t kShortData = 20;

template <Slot<RowArgs> slot, bool backward>
Napi::Value call_row_short(const Napi::CallbackInfo& info) {
  const Arguments in(info);
  const std::span<double> n = state(info.Env()).doubles;
  RowArgs args = row_args(n);
  args.type = n[kRowNumbers] == sizeof(float) ? Type::f32 : Type::f64;
  Layout layout(n.subspan(kShortData), args.type == Type::f32 ? sizeof(float) : sizeof(double));
  for (int i = 0; i < 3; ++i) layout.take(args.inputs[i], n[5 + 2 * i], n[6 + 2 * i]);
  if constexpr (backward) {
    layout.take(args.cotangent, n[11], n[12]);
    for (int i = 0; i < 3; ++i) layout.take(args.grads[i], n[5 + 2 * i], n[6 + 2 * i]);
    args.grad_scalars = &n[kRowNumbers + 1];
  } else {
    layout.take(args.out, n[11], n[12]);
  }
  in.require(!layout.overrun(), "fewer numbers");
  return finish<RowArgs, slot>(in, args, static_cast<int>(n[13]), {static_cast<int>(n[14]), 0});
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(exports.Env(), name));
}

using P = PairwiseArgs;
using V = PairwiseVjpArgs;
using C = ContrastArgs;
using S = SelectArgs;
using D = DeltaArgs;

void add_families(Napi::Object exports) {
  add<call<P, &Backend::pairwise, &P::metric, &P::guards, &P::c, &P::x, &P::y, &P::out>>(exports, "pairwise");
  add<call<V, &Backend::pairwise_vjp, &V::metric, &V::guards, &V::c, &V::x, &V::y, &V::cotangent, &V::grad_x,
           &V::grad_y, List<&V::grad_c, 1>{}>>(exports, "pairwiseVjp");
  add<call<C, &Backend::contrast, &C::geometry, &C::guards, &C::tied, &C::mean, &C::views, &C::tau_e,
           &C::tau_h, &C::lambda, &C::c, &C::clip, &C::euclidean, &C::hyperbolic, List<&C::order, samples>{},
           List<&C::loss, 1>{}, &C::grad_euclidean, &C::grad_hyperbolic, List<&C::grad_params, 4>{},
           List<&C::stats, 4>{}>>(exports, "contrast");
  add<call<S, &Backend::select, &S::metric, &S::guards, &S::c, &S::k, &S::queries, &S::gallery,
           List<&S::exclude, queries>{}, List<&S::allowed, gallery>{}, List<&S::indices, answers>{},
           &S::distances>>(exports, "select");
  add<call<D, &Backend::delta, &D::distances, &D::base, List<&D::delta, 1>{}, List<&D::diameter, 1>{}>>(
      exports, "delta");
  add<call_row<&Backend::row, false>>(exports, "row");
  add<call_row<&Backend::row_vjp, true>>(exports, "rowVjp");
  add<call_row_short<&Backend::row, false>>(exports, "rowShort");
  add<call_row_short<&Backend::row_vjp, true>>(exports, "rowVjpShort");
}

// ---- What is here ----

Napi::Value cancel(const Napi::CallbackInfo& info) {
  auto& jobs = state(info.Env()).jobs;
  const auto found = jobs.find(Arguments(info).number<std::uint32_t>());
  if (found != jobs.end()) found->second->cancel();
  return info.Env().Undefined();
}

// The table of a device (number) or of a CPU level ("avx2", ...), or null: for an addon built apart.
Napi::Value backend_handle(const Napi::CallbackInfo& info) {
  Status why;
  const Backend* found = info[0].IsString() ? cpu(info[0].As<Napi::String>().Utf8Value().c_str())
                                            : backend(Arguments(info).number<int>(), why);
  if (found == nullptr) return info.Env().Null();
  auto handle = Napi::External<Backend>::New(info.Env(), const_cast<Backend*>(found));
  napi_type_tag_object(info.Env(), handle, &kBackendTag);
  return handle;
}

Napi::Object cpu_info(Napi::Env env) {
  auto out = Napi::Object::New(env);
  const Backend* best = cpu();
  out.Set("level", best == nullptr ? env.Null() : Napi::String::New(env, best->name));
  auto levels = Napi::Array::New(env);
  for (const char* name : {"baseline", "avx2", "avx512", "neon"}) {
    if (cpu(name) != nullptr) levels.Set(levels.Length(), name);
  }
  out.Set("levels", levels);
  out.Set("threads", std::thread::hardware_concurrency());
  return out;
}

Napi::Float64Array standing(Napi::Env env) {
  constexpr std::size_t kNumbers = 256;
  auto array = Napi::Float64Array::New(env, kNumbers);
  state(env).standing = Napi::Persistent(array);
  state(env).doubles = {array.Data(), kNumbers};
  return array;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new State);
  exports.Set("standing", standing(env));
  add_families(exports);
  add<cancel>(exports, "cancel");
  add<backend_handle>(exports, "backend");
  add<dlopen_library>(exports, "dlopenLibrary");
  add<resample>(exports, "resample");
  exports.Set("cpu", cpu_info(env));
  exports.Set("rowCards", row_cards());
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)

}  // namespace
}  // namespace horoball::node
