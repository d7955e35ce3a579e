// Binds every function of the core to JavaScript: the checks that a call must pass, and its arguments in call order. The
// list at the end of this file has one row per function. No arithmetic here.
//
// Both bindings, native/node and native/wasm, compile this file with their own class `In`, which reads the arguments of one
// call from left to right. The namespace of `In` defines `launch` (runs the work), `refuse` (reports an error) and
// `call_buffer_of` (returns the buffer of short calls). `In::require` reports a failed check: the Node binding throws;
// the WebAssembly binding records the first error, and `launch` returns without running the work. A call that may run as
// a job calls `In::before_job` or `In::before_job_in_last_argument` before it reads its arrays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "../core.h"
#include "counts.h"
#include "fields.h"
#include "image.h"
#include "launch.h"
#include "row_call.h"

namespace horoball::bind {

// The maximum number of rows: far more than fit in memory, and few enough that sums of row counts do not overflow.
constexpr std::int64_t kMaxRows = std::int64_t{1} << 40;

template <class Args>
using Slot = Status (*Backend::*)(const Args&, const Run&);

// ---- Checks of shapes and indices. Without them, a mismatch could crash the process. ----

template <class Shape>
bool present(const Shape& a) {
  return a.data != nullptr && a.cols > 0;
}
template <class Shape>
bool is(const Shape& a, std::int64_t rows, std::int64_t cols) {
  return present(a) && a.rows == rows && a.cols == cols;
}
inline bool absent_or(Matrix a, std::int64_t rows, std::int64_t cols) {
  return a.data == nullptr || is(a, rows, cols);
}

// Maximum k of a search with lists: its scratch memory grows with k and with the number of threads.
constexpr std::int64_t kMaxListedNeighbors = 4096;
// Maximum number of lists, so that no size computed from it overflows.
constexpr std::int64_t kMaxLists = 1 << 24;

inline bool are_starts(const std::int32_t* starts, std::int64_t lists, std::int64_t slots) {
  bool ordered = starts[0] == 0 && starts[lists] == slots;
  for (std::int64_t l = 0; l < lists; ++l) ordered &= starts[l] <= starts[l + 1] && starts[l] % kSlots == 0;
  return ordered;
}

inline bool consistent(const PairwiseArgs& a) {
  return present(a.x) && is(a.y, a.y.rows, a.x.cols) &&
         (is(a.out, a.x.rows, a.y.rows) || element_count(a.x.rows, a.y.rows) == 0);
}
inline bool consistent(const PairwiseVjpArgs& a) {
  return present(a.x) && is(a.y, a.y.rows, a.x.cols) && is(a.cotangent, a.x.rows, a.y.rows) &&
         absent_or(a.grad_x, a.x.rows, a.x.cols) && absent_or(a.grad_y, a.y.rows, a.y.cols);
}
inline bool consistent(const ContrastArgs& a) {
  ContrastArgs shapes = a;
  shapes.order = nullptr;
  return check_contrast(shapes).code == Code::ok;
}
// Backend::pair_loss checks its arguments itself.
inline bool consistent(const PairLossArgs&) { return true; }
inline bool consistent(const SelectArgs& a) {
  return present(a.queries) && is(a.gallery, a.gallery.rows, a.queries.cols) && a.k > 0 &&
         a.k <= a.gallery.rows && a.indices != nullptr && is(a.distances, a.queries.rows, a.k);
}
inline bool consistent(const CentersArgs& a) {
  return present(a.rows) && is(a.centers, a.centers.rows, a.rows.cols) && a.lists != nullptr &&
         a.counts != nullptr;
}
inline bool consistent(const EncodeArgs& a) {
  return present(a.rows) && is(a.centers, a.centers.rows, a.rows.cols) && a.lists != nullptr &&
         a.starts != nullptr && a.slots >= 0 && a.slots % kSlots == 0 && a.ids != nullptr &&
         a.codes != nullptr && a.facts != nullptr && a.panels != nullptr && a.bounds != nullptr;
}
inline bool consistent(const ProbeArgs& a) {
  return present(a.queries) && is(a.rows, a.rows.rows, a.queries.cols) && a.k > 0 &&
         a.k <= kMaxListedNeighbors && a.lists > 0 && a.slots >= 0 && a.slots % kSlots == 0 && a.probes > 0 &&
         a.starts != nullptr && a.ids != nullptr && a.codes != nullptr && a.facts != nullptr &&
         a.panels != nullptr && a.bounds != nullptr && a.indices != nullptr && a.proven != nullptr &&
         is(a.distances, a.queries.rows, a.k);
}
inline bool consistent(const DeltaArgs& a) {
  return a.distances.data != nullptr && a.distances.rows == a.distances.cols && a.base >= 0 &&
         a.base < a.distances.rows && a.delta != nullptr && a.diameter != nullptr;
}

// Checks that read whole lists. A job runs them on its worker thread.
inline bool has_valid_lists(const ContrastArgs& a) {
  return a.order == nullptr || check_contrast(a).code == Code::ok;
}
inline bool has_valid_lists(const EncodeArgs& a) { return are_starts(a.starts, a.centers.rows, a.slots); }
inline bool has_valid_lists(const ProbeArgs& a) { return are_starts(a.starts, a.lists, a.slots); }

inline constexpr char kMatching[] = "matrices of matching shapes";

// ---- Lengths of array arguments ----

inline std::int64_t samples(const ContrastArgs& a) { return a.euclidean.rows; }
template <class Args>
std::int64_t queries(const Args& a) {
  return a.queries.rows;
}
inline std::int64_t anchors(const PairLossArgs& a) { return a.euclidean.rows; }
inline std::int64_t anchor_labels(const PairLossArgs& a) {
  return element_count(a.columns, a.euclidean.rows);
}
inline std::int64_t reference_labels(const PairLossArgs& a) {
  return element_count(a.columns, a.ref_euclidean.rows);
}
inline std::int64_t anchor_starts(const PairLossArgs& a) { return a.euclidean.rows + 1; }
inline std::int64_t listed_positives(const PairLossArgs& a) { return a.positive_count; }
inline std::int64_t gallery(const SelectArgs& a) { return a.gallery.rows; }
template <class Args>
std::int64_t answers(const Args& a) {
  return element_count(a.queries.rows, a.k);
}

inline std::int64_t rounded_to_block(std::int64_t n) { return (n + kSlots - 1) / kSlots * kSlots; }
// Returns `lists`, or -1, a length that no array has, if `lists` is out of range.
inline std::int64_t lists_or_none(std::int64_t lists) { return lists > 0 && lists <= kMaxLists ? lists : -1; }
inline std::int64_t starts_of(std::int64_t lists) { return lists_or_none(lists) < 0 ? -1 : lists + 1; }
inline std::int64_t codes_of(std::int64_t slots, std::int64_t cols) {
  return element_count(slots, cols < 0 ? cols : (cols + 1) / 2 * 2);
}
inline std::int64_t panels_of(std::int64_t lists, std::int64_t cols) {
  return lists_or_none(lists) < 0 ? -1 : element_count(rounded_to_block(lists), cols);
}
inline std::int64_t bounds_of(std::int64_t lists) { return element_count(lists_or_none(lists), kListFacts); }

inline std::int64_t lists_of(const CentersArgs& a) { return a.centers.rows; }
inline std::int64_t lists_of(const EncodeArgs& a) { return a.centers.rows; }
inline std::int64_t lists_of(const ProbeArgs& a) { return a.lists; }
template <class Args>
std::int64_t rows(const Args& a) {
  return a.rows.rows;
}
template <class Args>
std::int64_t lists(const Args& a) {
  return lists_of(a);
}
template <class Args>
std::int64_t starts(const Args& a) {
  return starts_of(lists_of(a));
}
template <class Args>
std::int64_t slots(const Args& a) {
  return a.slots;
}
template <class Args>
std::int64_t codes(const Args& a) {
  return codes_of(a.slots, a.rows.cols);
}
template <class Args>
std::int64_t facts(const Args& a) {
  return element_count(a.slots, kSlotFacts);
}
template <class Args>
std::int64_t panels(const Args& a) {
  return panels_of(lists_of(a), a.rows.cols);
}
template <class Args>
std::int64_t bounds(const Args& a) {
  return bounds_of(lists_of(a));
}

// ---- Calls a backend function with the arguments of a binding ----

// Returns the function table of `device`, which is the index of a CUDA device; -1 for the CPU; or -2 for the first CUDA
// device if it is usable, and otherwise the CPU. Returns null, with the reason in `why`, if a CUDA device is not usable.
// With -2, finish() also uses the CPU for functions that CUDA does not support.
inline const Backend* backend(int device, Status& why) {
  if (device == -1) return cpu();
  const Backend* found = cuda(std::max(device, 0), &why);
  return found == nullptr && device == -2 ? cpu() : found;
}

inline Status not_supported_by(const char* name) {
  Status status{Code::unsupported};
  std::snprintf(status.message, sizeof status.message, "the %s backend does not support this function", name);
  return status;
}

// Selects the device and runs the function, as the last step of every call.
template <class In, class Args, Slot<Args> slot>
typename In::Result finish(const In& in, const Args& args, int device, Launch how) {
  Status why{Code::device};
  const Backend* chosen = backend(device, why);
  if (chosen == nullptr) return refuse(in, why);
  auto function = chosen->*slot;
  if (function == nullptr && device == -2) function = cpu()->*slot;
  if (function == nullptr) return refuse(in, not_supported_by(chosen->name));
  const auto work = [args, function](const Run& run) { return function(args, run); };
  if constexpr (requires { has_valid_lists(args); }) {
    return launch(in, how, Check{[args] { return has_valid_lists(args); }, kMatching}, work);
  } else {
    return launch(in, how, kNoCheck, work);
  }
}

// Binds a function of the backend table. A call passes `Fields`, followed by the device, the number of threads and the job.
template <Name own_name, class Args, Slot<Args> slot, class... Fields>
struct Family {
  static constexpr const char* kName = own_name.text;

  template <class In>
  static typename In::Result call(typename In::Info info) {
    In in(info);
    in.before_job_in_last_argument();
    Args args;
    (bind::read(in, args, Fields{}), ...);
    args.type = in.type();
    in.require(consistent(args), kMatching);
    const int device = in.template take<int>();
    return finish<In, Args, slot>(in, args, device, launch_of(in));
  }

  static std::string arguments() {
    return ((describe(Fields{}) + ",") + ...) + described("device", "number") + "," + describe_launch();
  }
};

// Reads the numbers of a row-wise call (row_call.h). The backend checks the shapes, because only the row card of the
// operation (ops/row_card.h) determines them.
template <class In>
RowArgs row_args(const In& in, std::span<const double> n) {
  RowArgs args;
  args.op = in.template whole<std::int32_t>(n[row_call::op]);
  args.guards = n[row_call::guards] == 0 ? Guards::clean : Guards::hypmix;
  args.c = n[row_call::c];
  args.parameter = n[row_call::parameter];
  args.rows = in.template whole<std::int64_t>(n[row_call::rows]);
  in.require(args.rows >= 0 && args.rows <= kMaxRows, "a valid number of rows");
  return args;
}

inline std::span<const double, 2> input_shape(std::span<const double> n, std::size_t i) {
  return n.subspan(row_call::xRows + 2 * i).first<2>();
}

template <class In, Slot<RowArgs> slot>
typename In::Result finish_row(const In& in, const RowArgs& args, std::span<const double> n,
                               bool short_call) {
  const int device = in.template whole<int>(n[row_call::device]),
            threads = in.template whole<int>(n[row_call::threads]);
  in.require(threads >= 0 && threads <= kMaxThreads, "a valid number of threads");
  const auto job = short_call ? 0 : in.template whole<std::uint32_t>(n[row_call::job]);
  return finish<In, RowArgs, slot>(in, args, device, {threads, job});
}

template <class In, Slot<RowArgs> slot, bool backward>
typename In::Result call_row(typename In::Info info) {
  In in(info);
  const auto n = in.numbers(kRowNumbers);
  in.before_job(n[row_call::job]);
  RowArgs args = row_args(in, n);
  const auto matrices = [&](auto& to) {
    for (std::size_t i = 0; i < kRowInputs; ++i) in.matrix(to[i], input_shape(n, i)[0], input_shape(n, i)[1]);
  };
  matrices(args.inputs);
  if constexpr (backward) {
    in.matrix(args.cotangent, n[row_call::resultRows], n[row_call::resultCols]);
    matrices(args.grads);
    in.list(args.grad_scalars, 2);
  } else {
    in.matrix(args.out, n[row_call::resultRows], n[row_call::resultCols]);
  }
  args.type = in.type();
  return finish_row<In, slot>(in, args, n, false);
}

// Assigns the memory of a short call (see `call_row_short`) to its matrices, one after another.
template <class In>
class Layout {
 public:
  Layout(const In& in, std::span<double> memory, std::size_t element)
      : in_(in),
        at_(reinterpret_cast<std::byte*>(memory.data())),
        left_(static_cast<std::int64_t>(memory.size_bytes() / element)),
        element_(element) {}

  // Assigns the next part of the memory to `to`. Does nothing if `cols` is 0, which means that the matrix is not given.
  template <class Shape>
  void take(Shape& to, double rows, double cols) {
    if (cols == 0) return;
    to = {at_, in_.template whole<std::int64_t>(rows), in_.template whole<std::int64_t>(cols)};
    const std::int64_t count = element_count(to.rows, to.cols);
    const bool fits = count >= 0 && count <= left_;
    in_.require(fits, "matrices that fit in the memory of the call");
    if (!fits) return;  // reached if require() does not throw
    at_ += static_cast<std::size_t>(count) * element_;
    left_ -= count;
  }

 private:
  const In& in_;
  std::byte* at_;
  std::int64_t left_;
  std::size_t element_;
};

// Runs a row-wise operation on small matrices, synchronously. Everything that it reads and writes is in the call buffer,
// because getting the address of a typed array costs more than the arithmetic. From index kShortData on, the buffer
// contains the inputs, followed by the result, or by the cotangent and the gradients.
template <class In, Slot<RowArgs> slot, bool backward>
typename In::Result call_row_short(typename In::Info info) {
  const In in(info);
  const std::span<double> n = call_buffer_of(in);
  RowArgs args = row_args(in, n);
  args.type = n[row_call::elementBytes] == sizeof(float) ? Type::f32 : Type::f64;
  Layout<In> layout(in, n.subspan(kShortData), args.type == Type::f32 ? sizeof(float) : sizeof(double));
  const auto matrices = [&](auto& to) {
    for (std::size_t i = 0; i < kRowInputs; ++i)
      layout.take(to[i], input_shape(n, i)[0], input_shape(n, i)[1]);
  };
  matrices(args.inputs);
  if constexpr (backward) {
    layout.take(args.cotangent, n[row_call::resultRows], n[row_call::resultCols]);
    matrices(args.grads);
    args.grad_scalars = &n[row_call::gradC];
  } else {
    layout.take(args.out, n[row_call::resultRows], n[row_call::resultCols]);
  }
  return finish_row<In, slot>(in, args, n, true);
}

// ---- The functions ----

using P = PairwiseArgs;
using V = PairwiseVjpArgs;
using C = ContrastArgs;
using N = PairLossArgs;
using S = SelectArgs;
using M = CentersArgs;
using E = EncodeArgs;
using L = ProbeArgs;
using D = DeltaArgs;

using Pairwise =
    Family<"pairwise", P, &Backend::pairwise, Field<"metric", &P::metric>, Field<"guards", &P::guards>,
           Field<"c", &P::c>, Field<"x", &P::x>, Field<"y", &P::y>, Field<"out", &P::out>>;
using PairwiseVjp =
    Family<"pairwiseVjp", V, &Backend::pairwise_vjp, Field<"metric", &V::metric>, Field<"guards", &V::guards>,
           Field<"c", &V::c>, Field<"x", &V::x>, Field<"y", &V::y>, Field<"cotangent", &V::cotangent>,
           Field<"gradX", &V::grad_x>, Field<"gradY", &V::grad_y>, List<"gradC", &V::grad_c, 1>>;
using Contrast =
    Family<"contrast", C, &Backend::contrast, Field<"geometry", &C::geometry>, Field<"guards", &C::guards>,
           Field<"tied", &C::tied>, Field<"mean", &C::mean>, Field<"views", &C::views>,
           Field<"tauE", &C::tau_e>, Field<"tauH", &C::tau_h>, Field<"lambda", &C::lambda>, Field<"c", &C::c>,
           Field<"clip", &C::clip>, Field<"euclidean", &C::euclidean>, Field<"hyperbolic", &C::hyperbolic>,
           List<"order", &C::order, samples>, List<"loss", &C::loss, 1>,
           Field<"gradEuclidean", &C::grad_euclidean>, Field<"gradHyperbolic", &C::grad_hyperbolic>,
           List<"gradParams", &C::grad_params, kLogitNumbers>, List<"stats", &C::stats, 4>>;
using PairLoss = Family<
    "pairLoss", N, &Backend::pair_loss, Field<"variant", &N::variant>, Field<"geometry", &N::geometry>,
    Field<"guards", &N::guards>, Field<"tied", &N::tied>, Field<"reduction", &N::reduction>,
    Field<"tauE", &N::tau_e>, Field<"tauH", &N::tau_h>, Field<"lambda", &N::lambda>, Field<"c", &N::c>,
    Field<"clip", &N::clip>, Field<"alpha", &N::alpha>, Field<"beta", &N::beta>, Field<"base", &N::base>,
    Field<"margin", &N::margin>, Field<"euclidean", &N::euclidean>, Field<"hyperbolic", &N::hyperbolic>,
    Field<"refEuclidean", &N::ref_euclidean>, Field<"refHyperbolic", &N::ref_hyperbolic>,
    Field<"columns", &N::columns>, List<"labels", &N::labels, anchor_labels>,
    List<"refLabels", &N::ref_labels, reference_labels>, Field<"positiveCount", &N::positive_count>,
    List<"starts", &N::starts, anchor_starts>, List<"positives", &N::positives, listed_positives>,
    List<"weights", &N::weights, anchors>, List<"loss", &N::loss, 1>, List<"losses", &N::losses, anchors>,
    Field<"gradEuclidean", &N::grad_euclidean>, Field<"gradHyperbolic", &N::grad_hyperbolic>,
    Field<"gradRefEuclidean", &N::grad_ref_euclidean>, Field<"gradRefHyperbolic", &N::grad_ref_hyperbolic>,
    List<"gradParams", &N::grad_params, kLogitNumbers>>;
using Select =
    Family<"select", S, &Backend::select, Field<"metric", &S::metric>, Field<"guards", &S::guards>,
           Field<"c", &S::c>, Field<"k", &S::k>, Field<"queries", &S::queries>, Field<"gallery", &S::gallery>,
           List<"exclude", &S::exclude, queries<S>>, List<"allowed", &S::allowed, gallery>,
           List<"indices", &S::indices, answers<S>>, Field<"distances", &S::distances>>;
using Centers =
    Family<"centers", M, &Backend::centers, Field<"metric", &M::metric>, Field<"guards", &M::guards>,
           Field<"c", &M::c>, Field<"rows", &M::rows>, Field<"centers", &M::centers>,
           List<"lists", &M::lists, rows<M>>, List<"counts", &M::counts, lists<M>>>;
using Encode = Family<"encode", E, &Backend::encode, Field<"metric", &E::metric>, Field<"guards", &E::guards>,
                      Field<"c", &E::c>, Field<"rows", &E::rows>, Field<"centers", &E::centers>,
                      Field<"slots", &E::slots>, List<"lists", &E::lists, rows<E>>,
                      List<"starts", &E::starts, starts<E>>, List<"ids", &E::ids, slots<E>>,
                      List<"codes", &E::codes, codes<E>>, List<"facts", &E::facts, facts<E>>,
                      List<"panels", &E::panels, panels<E>>, List<"bounds", &E::bounds, bounds<E>>>;
using Probe = Family<"probe", L, &Backend::probe, Field<"metric", &L::metric>, Field<"guards", &L::guards>,
                     Field<"c", &L::c>, Field<"k", &L::k>, Field<"queries", &L::queries>,
                     Field<"rows", &L::rows>, Field<"lists", &L::lists>, Field<"slots", &L::slots>,
                     Field<"probes", &L::probes>, List<"starts", &L::starts, starts<L>>,
                     List<"ids", &L::ids, slots<L>>, List<"codes", &L::codes, codes<L>>,
                     List<"facts", &L::facts, facts<L>>, List<"panels", &L::panels, panels<L>>,
                     List<"bounds", &L::bounds, bounds<L>>, List<"exclude", &L::exclude, queries<L>>,
                     List<"allowed", &L::allowed, rows<L>>, List<"indices", &L::indices, answers<L>>,
                     Field<"distances", &L::distances>, List<"proven", &L::proven, queries<L>>>;
using Delta = Family<"delta", D, &Backend::delta, Field<"distances", &D::distances>, Field<"base", &D::base>,
                     List<"delta", &D::delta, 1>, List<"diameter", &D::diameter, 1>>;

template <class... Each>
struct Functions {
  template <class In, class To>
  static void add(To& to) {
    (to.template add<Each::template call<In>>(Each::kName), ...);
  }
  // Returns the names and types of the arguments of every function, as JSON.
  static std::string describe() {
    std::string out;
    ((out += (out.empty() ? "\"" : ",\n\"") + std::string(Each::kName) + "\":[" + Each::arguments() + "]"),
     ...);
    return "{" + out + "}";
  }
};
using Described = Functions<Pairwise, PairwiseVjp, Contrast, PairLoss, Select, Centers, Encode, Probe, Delta,
                            DecodeJpeg, Resample, Augment>;

// Calls to.add<function>(name) for every function.
template <class In, class To>
void add_functions(To& to) {
  Described::add<In>(to);
  to.template add<call_row<In, &Backend::row, false>>("row");
  to.template add<call_row<In, &Backend::row_vjp, true>>("rowVjp");
  to.template add<call_row_short<In, &Backend::row, false>>("rowShort");
  to.template add<call_row_short<In, &Backend::row_vjp, true>>("rowVjpShort");
}

}  // namespace horoball::bind
