// The public C++ face of the light core: what a caller hands over, and one table of functions a backend.
// No Node, no torch. Everything crosses as plain data, so that an addon built apart (the training layer) can
// use the same tables; `kAbi` changes whenever a struct here does.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace horoball {

inline constexpr std::uint32_t kAbi = 1;

enum class Type : std::uint8_t { f32, f64 };

// A row-major matrix that somebody else owns. `data` null means "not given" or "not wanted".
struct ConstMatrix {
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};
struct Matrix {
  void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

enum class Code : std::uint8_t { ok, cancelled, memory, device, unsupported };

// What became of a call. Tables never throw across their border and never print.
struct Status {
  Code code = Code::ok;
  char message[248] = {};
};

// How a call runs.
struct Run {
  int threads = 0;                               // 0: as many as the machine has
  const std::atomic<bool>* cancelled = nullptr;  // polled between tiles
  void* stream = nullptr;                        // CUDA stream; null on the CPU
};

// The metric cards (native/ops/metrics.h), in the order of `metrics` in lib/pairwise.ts: a card's place is
// its identity in every pairwise family.
enum class Metric : std::uint8_t { poincare, lorentz, euclidean, cosine, chordal };

// Which published guards hold (ops/hypmix.h, ops/metrics/poincare_hypmix.h): none, or those of the HypMix
// code.
enum class Guards : std::uint8_t { clean, hypmix };

// out[i][j] = d_c(x_i, y_j). x: n x d, y: m x d, out: n x m, all of `type`. y.data == x.data is the symmetric
// case.
struct PairwiseArgs {
  Type type = Type::f32;
  Metric metric = Metric::poincare;
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix x, y;
  Matrix out;
};

// Gradients of sum(cotangent * d). Any output may be left out (null). grad_c is one double.
struct PairwiseVjpArgs {
  Type type = Type::f32;
  Metric metric = Metric::poincare;
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix x, y, cotangent;
  Matrix grad_x, grad_y;
  double* grad_c = nullptr;
};

enum class Geometry : std::uint8_t { hybrid, euclidean, hyperbolic, chordal };

struct ContrastStats {
  double min = 0, mean = 0, max = 0, accuracy = 0;
};

// The hybrid contrastive loss over all ordered pairs of views (cpu/contrast.h).
// Row i of both inputs is sample `order[i]`'s place when `order` is given, else row = class * views + view.
// tied: `euclidean` holds unit rows z, the ball points are project(expmap0(clip(z))), grad_euclidean is
// tangential and grad_hyperbolic unused.
struct ContrastArgs {
  Type type = Type::f32;
  Geometry geometry = Geometry::hybrid;
  Guards guards = Guards::clean;
  bool tied = false;
  bool mean = false;  // divide by the number of ordered pairs of views
  std::int64_t views = 2;
  double tau_e = 0.1, tau_h = 0.2, lambda = 0.5, c = 0.1, clip = 2.3;
  ConstMatrix euclidean, hyperbolic;
  const std::int32_t* order = nullptr;  // order[class * views + view] = the row that holds it
  double* loss = nullptr;
  Matrix grad_euclidean, grad_hyperbolic;
  double* grad_params = nullptr;  // tau_e, tau_h, lambda, c
  ContrastStats* stats = nullptr;
};

// The k nearest gallery rows of every query: ties to the lower index. `exclude` (one a query, or null) names
// a gallery row that may not be answered (-1: none); `allowed` (one byte a gallery row, or null) masks rows
// out where 0. Places beyond what the gallery can fill get index -1 and distance +infinity.
struct SelectArgs {
  Type type = Type::f32;
  Metric metric = Metric::poincare;
  Guards guards = Guards::clean;
  double c = 1;
  std::int64_t k = 1;
  ConstMatrix queries, gallery;
  const std::int32_t* exclude = nullptr;
  const std::uint8_t* allowed = nullptr;
  std::int32_t* indices = nullptr;  // n x k
  Matrix distances;                 // n x k
};

// Gromov's delta of a distance matrix from base point `base` (cpu/delta.h has the formula).
struct DeltaArgs {
  Type type = Type::f32;
  ConstMatrix distances;  // n x n, symmetric
  std::int64_t base = 0;
  double* delta = nullptr;
  double* diameter = nullptr;
};

// One row-wise operation (native/ops/rows.h gives its index): up to four inputs, each n rows or one row for
// all; `scalars` holds the card's own parameters in its order. Forward fills `out`; a vjp fills the wanted
// `grads` from `cotangent`.
struct RowArgs {
  Type type = Type::f32;
  Guards guards = Guards::clean;
  std::int32_t op = 0;
  double c = 1;
  double scalars[4] = {};
  std::int64_t rows = 0;
  ConstMatrix inputs[4];
  Matrix out;
  ConstMatrix cotangent;
  Matrix grads[4];
  double* grad_scalars = nullptr;  // c, then the card's own
};

// What the row-wise operations are, in the order of RowArgs.op, as JSON: made from the cards, for the
// bindings.
const char* row_cards();

// Why the arguments of a row-wise operation could crash its family, or null.
namespace rowwise {
const char* row_misfit(const RowArgs& args, bool backward);
}

// Every family, once a backend. A family that a backend does not have is null.
//
// The CUDA tables take every pointer either to the host's memory or to the device's, as each is: what is on
// the host is copied, and waited for; when no pointer is on the host the call only enqueues work on
// Run::stream, and errors of that work come from a later call.
struct Backend {
  std::uint32_t abi = kAbi;
  const char* name = "";  // "baseline", "avx2", "avx512", "neon", "cuda"
  Status (*pairwise)(const PairwiseArgs&, const Run&) = nullptr;
  Status (*pairwise_vjp)(const PairwiseVjpArgs&, const Run&) = nullptr;
  Status (*contrast)(const ContrastArgs&, const Run&) = nullptr;
  Status (*select)(const SelectArgs&, const Run&) = nullptr;
  Status (*delta)(const DeltaArgs&, const Run&) = nullptr;
  Status (*row)(const RowArgs&, const Run&) = nullptr;
  Status (*row_vjp)(const RowArgs&, const Run&) = nullptr;
};

// The widest level that this machine has, or the one that HOROBALL_ISA names (null if the machine lacks it).
const Backend* cpu();
const Backend* cpu(const char* level);
// Null with the reason in `why` when CUDA is not built, no driver is there or the device does not exist.
const Backend* cuda(int device, Status* why);

}  // namespace horoball
