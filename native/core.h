// The public C++ interface of the light core: argument structs, and one table of functions per backend. No Node, no
// torch. All arguments are plain data, so that an addon built separately (the training layer) can use the same tables;
// `kAbi` changes with every change to this file.
#pragma once

#include <atomic>
#include <cstdint>

namespace horoball {

enum class Type : std::uint8_t { f32, f64 };

// A row-major matrix owned by the caller. A null `data` means "not given" or "not wanted".
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

enum class Code : std::uint8_t { ok, cancelled, memory, device, unsupported, shape, internal };

// The outcome of a call. Functions of a table never throw and never print.
struct Status {
  Code code = Code::ok;
  char message[248] = {};
};

// The largest valid value of an enumeration. Each enumeration that the bindings receive as an index specializes `kLast` or
// overloads last_of().
template <class Enum>
inline constexpr Enum kLast{};
template <class Enum>
constexpr Enum last_of(Enum) {
  return kLast<Enum>;
}

// How a call runs.
struct Run {
  int threads = 0;                               // 0: all processors of the machine
  const std::atomic<bool>* cancelled = nullptr;  // polled between tiles, on devices between kernels
  void* stream = nullptr;                        // CUDA stream; null on the CPU
};

// Identifies a metric, such as the Poincare distance, by the index of its card in the list of ops/metrics.h, which is also
// the order of metric_cards(). A card is the struct with an operation's formula and metadata.
enum class Metric : std::uint8_t {};
Metric last_of(Metric);

// The numerical guards in effect: none, or those of the published HypMix code (ops/hypmix.h,
// ops/metrics/poincare_hypmix.h).
enum class Guards : std::uint8_t { clean, hypmix };
template <>
inline constexpr Guards kLast<Guards> = Guards::hypmix;

// out[i][j] = d_c(x_i, y_j). x: n x d, y: m x d, out: n x m, all of `type`. If x and y are the same matrix (equal `data` and
// `rows`), only the upper triangle is computed, and the lower one is copied from it.
struct PairwiseArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix x, y;
  Matrix out;
};

// Gradients of sum(cotangent * d). Any output may be null. grad_c is one double.
struct PairwiseVjpArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix x, y, cotangent;
  Matrix grad_x, grad_y;
  double* grad_c = nullptr;
};

// Identifies a geometry of the contrastive losses by the index of its card (ops/geometries/card.h) in the list of
// ops/geometries/cards.h, which is also the order of geometry_cards().
enum class Geometry : std::uint8_t {};
Geometry last_of(Geometry);

struct ContrastStats {
  double min = 0, mean = 0, max = 0, accuracy = 0;
};

// Which matrices a geometry reads.
struct Reads {
  bool euclidean = false, hyperbolic = false;
};

// The number of scalar parameters of a loss that have gradients: tau_e, tau_h, lambda, c.
inline constexpr int kLogitNumbers = 4;

// The part of a loss that one of several ranks (processes) computes: the pairs of its own classes with all classes. Every
// rank makes the same call, with the same rows. The results are those of the whole loss, except that the gradients have only
// the rows of this rank's first `wanted` classes, which begin at `first_row`. Only CPU backends support parts.
struct ContrastPart {
  std::int64_t ranks = 0, rank = 0;
  const std::int64_t* starts = nullptr;  // rank r has the classes from starts[r] to starts[r + 1] - 1
  std::int64_t wanted = 0, first_row = 0;
  // Fills `all` with the `bytes` bytes at `own` of every rank, in rank order. Returns false if a rank failed.
  bool (*gather)(void* context, const void* own, std::int64_t bytes, void* all) = nullptr;
  void* context = nullptr;
};

// The contrastive loss over all ordered pairs of views (cpu/contrast/contrast.h). The caller sets `views` and all
// parameters of the logit, whose defaults are in ops/geometries/card.h. Without `order` the row of a sample is
// class * views + view. If `tied`, `euclidean` holds unit rows z, the ball points are project(expmap0(clip(z))),
// the rows of grad_euclidean are orthogonal to those of z, and grad_hyperbolic is not used.
struct ContrastArgs {
  Type type = Type::f32;
  Geometry geometry{};
  Guards guards = Guards::clean;
  bool tied = false;
  bool mean = false;  // divide by the number of ordered pairs of views
  std::int64_t views = 0;
  double tau_e = 0, tau_h = 0, lambda = 0, c = 0, clip = 0;
  ConstMatrix euclidean, hyperbolic;
  const std::int32_t* order = nullptr;  // order[class * views + view] = the row of that view
  double* loss = nullptr;
  Matrix grad_euclidean, grad_hyperbolic;
  double* grad_params = nullptr;  // kLogitNumbers
  ContrastStats* stats = nullptr;
  const ContrastPart* part = nullptr;  // null: all classes
};

// The index of a loss card in the list of ops/losses.h and in loss_cards().
enum class Loss : std::uint8_t {};
Loss last_of(Loss);

// How terms are reduced: to their weighted mean, to their weighted sum, or (anchor_mean) first to the mean of each anchor's
// terms and then to the weighted mean over the anchors that have terms.
enum class Reduction : std::uint8_t { mean, sum, anchor_mean };
template <>
inline constexpr Reduction kLast<Reduction> = Reduction::anchor_mean;

// A pair loss over anchors with any number of positives each (cpu/contrast/pair_loss.h). An anchor is paired with every
// other row of its matrix or, if references are given (`ref_euclidean` has columns), with every reference. Pairs that are
// not positive are negative. Positive pairs share a label in a column; without label columns, `positives` lists them. The
// logit is that of ContrastArgs. The gradient of a matrix that the geometry does not read must be null.
struct PairLossArgs {
  Type type = Type::f32;
  Loss variant{};
  Geometry geometry{};
  Guards guards = Guards::clean;
  bool tied = false;
  Reduction reduction = Reduction::mean;
  double tau_e = 0, tau_h = 0, lambda = 0, c = 0, clip = 0;
  double alpha = 0, beta = 0, base = 0, margin = 0;  // of multi-similarity and Proxy-Anchor
  ConstMatrix euclidean, hyperbolic, ref_euclidean, ref_hyperbolic;
  std::int64_t columns = 0;                  // of labels
  const std::int32_t* labels = nullptr;      // [column][anchor]: from 0 to anchors + references - 1
  const std::int32_t* ref_labels = nullptr;  // [column][reference]
  std::int64_t positive_count = 0;
  const std::int32_t* starts = nullptr;  // anchor i has the positives from starts[i] to starts[i + 1] - 1
  // Row indices (of the references, if given), ascending for each anchor. Without references, if i lists j, j must list i.
  const std::int32_t* positives = nullptr;
  const double* weights = nullptr;  // one per anchor, at least 0; null: all 1
  double* loss = nullptr;
  double* losses = nullptr;  // of every anchor: the mean of its terms, 0 without terms
  Matrix grad_euclidean, grad_hyperbolic, grad_ref_euclidean, grad_ref_hyperbolic;
  double* grad_params = nullptr;  // kLogitNumbers
};

// The k nearest gallery rows of every query; ties go to the lower index. `exclude` (one per query, or null) is a gallery
// row that must not be returned (-1: none); `allowed` (one byte per gallery row, or null) excludes rows whose byte is 0.
// Slots that the gallery cannot fill get index -1 and distance +infinity.
struct SelectArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  std::int64_t k = 1;
  ConstMatrix queries, gallery;
  const std::int32_t* exclude = nullptr;
  const std::uint8_t* allowed = nullptr;
  std::int32_t* indices = nullptr;  // n x k
  Matrix distances;                 // n x k
};

// Sizes in an index for searches: slots per block, and float32 numbers per slot and per list (cpu/lists/layout.h).
inline constexpr std::int64_t kSlots = 16, kSlotFacts = 4, kListFacts = 4;

// Centers of lists of rows (cpu/lists/centers.h). `lists` has the list index of each row; a row whose index is out of range
// is ignored. The center of an empty list is 0.
struct CentersArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix rows;
  const std::int32_t* lists = nullptr;  // one per row
  Matrix centers;
  std::int32_t* counts = nullptr;  // rows averaged in each center
};

// Rows in lists, as 8-bit codes with bounds on their errors (cpu/lists/layout.h). The slots of list l are those from
// starts[l] to starts[l + 1] - 1; all starts are multiples of 16.
struct EncodeArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  ConstMatrix rows, centers;
  const std::int32_t* lists = nullptr;   // one per row; an index out of range means the first list
  const std::int32_t* starts = nullptr;  // one per list, and the end
  std::int64_t slots = 0;
  std::int32_t* ids = nullptr;    // the row of each slot, or -1
  std::uint8_t* codes = nullptr;  // signed 8-bit codes: two per slot and pair of columns
  float* facts = nullptr;         // kSlotFacts numbers per slot
  float* panels = nullptr;        // the centers, padded to a multiple of 16 rows
  float* bounds = nullptr;        // kListFacts numbers per list
};

// The k nearest rows of every query, like `select`, from lists (cpu/lists/probe.h). Considers the lists of the `probes`
// nearest centers; proven[i] is 1 if no other list can change the result.
struct ProbeArgs {
  Type type = Type::f32;
  Metric metric{};
  Guards guards = Guards::clean;
  double c = 1;
  std::int64_t k = 1;
  ConstMatrix queries, rows;
  std::int64_t lists = 0, slots = 0, probes = 0;
  const std::int32_t* starts = nullptr;
  const std::int32_t* ids = nullptr;
  const std::uint8_t* codes = nullptr;
  const float* facts = nullptr;
  const float* panels = nullptr;
  const float* bounds = nullptr;
  const std::int32_t* exclude = nullptr;  // one per query, or null
  const std::uint8_t* allowed = nullptr;  // one per row, or null
  std::int32_t* indices = nullptr;        // n x k
  Matrix distances;                       // n x k
  std::uint8_t* proven = nullptr;         // one per query
};

// Gromov's delta of a distance matrix from base point `base` (cpu/delta/delta.h has the formula).
struct DeltaArgs {
  Type type = Type::f32;
  ConstMatrix distances;  // n x n, symmetric
  std::int64_t base = 0;
  double* delta = nullptr;
  double* diameter = nullptr;
};

// The maximum number of inputs of a row-wise operation.
inline constexpr int kRowInputs = 3;

// One row-wise operation: its index in the list of ops/rows.h and in row_cards(), its inputs, and the parameter of its card,
// if it has one. In the row family, each input has `rows` rows or a single row that is broadcast. Forward fills `out`; a vjp
// fills the wanted `grads` and `grad_scalars` from `cotangent`.
struct RowArgs {
  Type type = Type::f32;
  Guards guards = Guards::clean;
  std::int32_t op = 0;
  double c = 1;
  double parameter = 0;
  std::int64_t rows = 0;
  ConstMatrix inputs[kRowInputs];
  Matrix out;
  ConstMatrix cotangent;
  Matrix grads[kRowInputs];
  double* grad_scalars = nullptr;  // c, then the parameter of the card
};

// The row-wise operations, the metrics, the geometries and the pair losses as JSON, each list in index order, generated from
// the cards for the bindings.
const char* row_cards();
const char* metric_cards();
const char* geometry_cards();
const char* loss_cards();
// The parameters of the loss's logit and their defaults, in the order of ContrastArgs::grad_params.
const char* logit_parameters();

// The head as JSON: the names of its row-wise operations, in order, kUnitFloor, and four constants of the published guards
// (ops/hypmix.h). The parameter of the first operation is the caller's clip; the others use their defaults.
const char* head_cards();

// Features are divided by the larger of their norm and this bound, which is far below the norms that occur in practice.
inline constexpr double kUnitFloor = 1e-12;

Reads reads_of(Geometry geometry, bool tied);

// Return an error if arguments are not safe for the backend's function: `unsupported` for an unknown card, `shape` for
// matrices that do not match or an index out of range. They read no memory except `order`, `labels`, `ref_labels`, `starts`
// and `positives`, which must be on the host.
Status check_contrast(const ContrastArgs& args);
Status check_pair_loss(const PairLossArgs& args);
Status check_row(const RowArgs& args, bool backward);

// The build's hash of this file (native/cmake/abi.cmake).
inline constexpr std::uint32_t kAbi = HOROBALL_ABI;

// The function table of a backend. A function that the backend does not support is null.
//
// In the functions of CUDA tables, each pointer may be to host or to device memory. Host memory is copied and the call
// waits for it; if no pointer is to host memory, the call only enqueues work on Run::stream, and errors of that work are
// reported by a later call.
struct Backend {
  std::uint32_t abi = kAbi;
  const char* name = "";  // "baseline", "avx2", "avx512", "neon", "simd128", "cuda"
  Status (*pairwise)(const PairwiseArgs&, const Run&) = nullptr;
  Status (*pairwise_vjp)(const PairwiseVjpArgs&, const Run&) = nullptr;
  Status (*contrast)(const ContrastArgs&, const Run&) = nullptr;
  Status (*pair_loss)(const PairLossArgs&, const Run&) = nullptr;
  Status (*select)(const SelectArgs&, const Run&) = nullptr;
  Status (*centers)(const CentersArgs&, const Run&) = nullptr;
  Status (*encode)(const EncodeArgs&, const Run&) = nullptr;
  Status (*probe)(const ProbeArgs&, const Run&) = nullptr;
  Status (*delta)(const DeltaArgs&, const Run&) = nullptr;
  Status (*row)(const RowArgs&, const Run&) = nullptr;
  Status (*row_vjp)(const RowArgs&, const Run&) = nullptr;
  // Properties and checks of geometries for callers of `contrast`, the same in every backend.
  std::int32_t geometries = 0;
  Reads (*reads_of)(Geometry, bool tied) = nullptr;
  Status (*check_contrast)(const ContrastArgs&) = nullptr;
};

// Returns the function table of the widest ISA level that this machine supports, or of the level named by HOROBALL_ISA or
// `level` (null if it is not supported).
const Backend* cpu();
const Backend* cpu(const char* level);
// Returns the table at `index` among those that this machine supports, from the narrowest level to the widest; null past
// the last.
const Backend* cpu_level(int index);
// Returns the function table of a CUDA device. Returns null, with the reason in `why`, if this build has no CUDA kernels or
// the device is not usable, for example because the driver is missing or too old.
const Backend* cuda(int device, Status* why);

}  // namespace horoball
