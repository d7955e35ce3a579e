// The hot kernels without Node, on fixed inputs and one thread: `kernels LEVEL [NAME]` prints the compiler, then runs one
// kernel, or all of them, at an ISA level and prints the results. Under
//   valgrind --tool=callgrind --toggle-collect=measured kernels avx2 pairwise
// only the call of the kernel is counted, not the creation of its inputs. `npm run bench:counts` does so for every
// kernel and compares with counts.json.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "core.h"

namespace {

using horoball::Backend;
using horoball::ConstMatrix;
using horoball::Matrix;
using horoball::Status;
using horoball::Type;

constexpr double kCurvature = 0.1;
constexpr double kClip = 2.3;  // above the norm of unit rows
constexpr std::int64_t kDim = 128;
constexpr horoball::Run kOneThread = {.threads = 1};

// A matrix that owns its memory.
template <class T>
struct Rows {
  std::vector<T> data;
  std::int64_t rows, cols;

  Rows(std::int64_t n, std::int64_t d) : data(static_cast<std::size_t>(n * d)), rows(n), cols(d) {}
  ConstMatrix in() const { return {data.data(), rows, cols}; }
  Matrix out() { return {data.data(), rows, cols}; }
  double sum() const {
    double total = 0;
    for (const T value : data) total += value;
    return total;
  }
};

// Directions from a linear congruential generator; norms from `shortest` to `longest`.
template <class T>
Rows<T> points(std::int64_t n, std::uint32_t seed, double shortest, double longest, std::int64_t dim = kDim) {
  Rows<T> made(n, dim);
  std::uint32_t state = seed;
  const auto next = [&state] { return (state = state * 1664525U + 1013904223U) / 4294967296.0; };
  for (std::int64_t i = 0; i < n; ++i) {
    T* row = made.data.data() + i * dim;
    double square = 0;
    for (std::int64_t k = 0; k < dim; ++k) {
      const double value = next() - 0.5;
      row[k] = static_cast<T>(value);
      square += value * value;
    }
    const double scale = (shortest + (longest - shortest) * next()) / std::sqrt(square);
    for (std::int64_t k = 0; k < dim; ++k) row[k] = static_cast<T>(row[k] * scale);
  }
  return made;
}

template <class T>
Rows<T> ball(std::int64_t n, std::uint32_t seed) {
  return points<T>(n, seed, 0.5, 2.5);  // the rim is at 1 / sqrt(0.1) = 3.16
}

constexpr Type type_of(float) { return Type::f32; }
constexpr Type type_of(double) { return Type::f64; }

const Backend* backend;

// A type-erased call of a function of the table, so that measured() is one function for all kernels.
struct Call {
  Status (*thunk)(const Call&);
  const void* slot;
  const void* args;
};

}  // namespace

// The function that callgrind counts; never inlined or cloned, so that it keeps its symbol.
extern "C" [[gnu::noinline, gnu::noclone]] void measured(const Call& call, Status& status) {
  status = call.thunk(call);
  asm volatile("" ::: "memory");
}

namespace {

template <class Args>
Status run(Status (*const& slot)(const Args&, const horoball::Run&), const Args& args) {
  const auto thunk = [](const Call& call) {
    return (*static_cast<Status (*const*)(const Args&, const horoball::Run&)>(call.slot))(
        *static_cast<const Args*>(call.args), kOneThread);
  };
  Status status;
  measured({thunk, &slot, &args}, status);
  return status;
}

// The status of a call, and a sum over its results.
struct Result {
  Status status;
  double sum;
};

// Returns the index of a card in `cards`, a JSON list in which every card has the key `marker` once, after its name. Ends
// the process if there is no such card.
std::int32_t index_of(const char* cards, const char* name, const char* marker) {
  char quoted[64];
  std::snprintf(quoted, sizeof quoted, "{\"name\":\"%s\",", name);
  const char* found = std::strstr(cards, quoted);
  if (found == nullptr) {
    std::fprintf(stderr, "kernels: no card is named %s\n", name);
    std::exit(1);
  }
  std::int32_t index = 0;
  for (const char* at = cards; (at = std::strstr(at, marker)) != nullptr && at < found; ++at) ++index;
  return index;
}

horoball::Metric metric_named(const char* name) {
  return static_cast<horoball::Metric>(index_of(horoball::metric_cards(), name, "\"formula\":"));
}

horoball::Loss loss_named(const char* name) {
  return static_cast<horoball::Loss>(index_of(horoball::loss_cards(), name, "\"formula\":"));
}

template <class T>
Result pairwise(std::int64_t n, std::int64_t m, horoball::Metric metric) {
  static const Rows<T> x = ball<T>(n, 1), y = ball<T>(m, 2);
  static Rows<T> out(n, m);
  const horoball::PairwiseArgs args = {
      .type = type_of(T{}), .metric = metric, .c = kCurvature, .x = x.in(), .y = y.in(), .out = out.out()};
  return {run(backend->pairwise, args), out.sum()};
}

Result pairwise_poincare() { return pairwise<float>(192, 192, metric_named("poincare")); }
Result pairwise_euclidean() { return pairwise<float>(192, 192, metric_named("euclidean")); }
Result pairwise_float64() { return pairwise<double>(128, 128, metric_named("poincare")); }

// Computes distances between rows, each of which has a partner too near for the matrix product to be accurate.
Result pairwise_near() {
  static const Rows<float> x = ball<float>(192, 1);
  static const Rows<float> y = [] {
    Rows<float> moved = x;
    for (std::size_t i = 0; i < moved.data.size(); i += 7) moved.data[i] *= 1.0005F;
    return moved;
  }();
  static Rows<float> out(192, 192);
  const horoball::PairwiseArgs args = {.c = kCurvature, .x = x.in(), .y = y.in(), .out = out.out()};
  return {run(backend->pairwise, args), out.sum()};
}

Result pairwise_backward() {
  static const Rows<float> x = ball<float>(192, 1), y = ball<float>(192, 2);
  static const Rows<float> cotangent = points<float>(192, 3, 1, 2, 192);
  static Rows<float> grad_x(192, kDim), grad_y(192, kDim);
  double grad_c = 0;
  const horoball::PairwiseVjpArgs args = {.c = kCurvature,
                                          .x = x.in(),
                                          .y = y.in(),
                                          .cotangent = cotangent.in(),
                                          .grad_x = grad_x.out(),
                                          .grad_y = grad_y.out(),
                                          .grad_c = &grad_c};
  const Status status = run(backend->pairwise_vjp, args);
  return {status, grad_x.sum() + grad_y.sum() + grad_c};
}

// Computes the loss over pairs of views with all gradients and the statistics.
template <int kClasses, int kViews, bool kTied>
Result loss() {
  constexpr std::int64_t kRows = kClasses * kViews;
  static const Rows<float> e = points<float>(kRows, 4, 1, 1);
  static const Rows<float> h = ball<float>(kRows, 5);
  static Rows<float> grad_e(kRows, kDim), grad_h(kRows, kDim);
  double value = 0;
  double params[4] = {};
  horoball::ContrastStats stats;
  horoball::ContrastArgs args;
  args.tied = kTied;
  args.views = kViews;
  args.tau_e = 0.05;
  args.tau_h = 0.2;
  args.lambda = 3;
  args.c = kCurvature;
  args.clip = kClip;
  args.euclidean = e.in();
  args.hyperbolic = {nullptr, kRows, kDim};
  args.loss = &value;
  args.grad_euclidean = grad_e.out();
  args.grad_params = params;
  args.stats = &stats;
  if (!kTied) {
    args.hyperbolic = h.in();
    args.grad_hyperbolic = grad_h.out();
  }
  const Status status = run(backend->contrast, args);
  return {status, value + grad_e.sum() + grad_h.sum() + params[0] + params[1] + params[2] + params[3]};
}

// Computes a pair loss and all its gradients for 192 rows in interleaved classes of 1 to 2 kMean - 1 rows.
template <int kMean>
Result pair_loss(const char* name) {
  constexpr std::int64_t kRows = 192;
  static const Rows<float> e = points<float>(kRows, 4, 1, 1), h = ball<float>(kRows, 5);
  static const std::vector<std::int32_t> labels = [] {
    std::vector<std::int32_t> made(kRows);
    std::int32_t label = 0, left = 1;
    for (std::size_t i = 0; i < made.size(); ++i, --left) {
      if (left == 0) left = ++label % (2 * kMean - 1) + 1;
      made[i * 5 % made.size()] = label;
    }
    return made;
  }();
  static Rows<float> grad_e(kRows, kDim), grad_h(kRows, kDim);
  double value = 0;
  double params[4] = {};
  horoball::PairLossArgs args;
  args.variant = loss_named(name);
  args.tau_e = 0.05;
  args.tau_h = 0.2;
  args.lambda = 3;
  args.c = kCurvature;
  args.clip = kClip;
  args.euclidean = e.in();
  args.hyperbolic = h.in();
  args.columns = 1;
  args.labels = labels.data();
  args.loss = &value;
  args.grad_euclidean = grad_e.out();
  args.grad_hyperbolic = grad_h.out();
  args.grad_params = params;
  const Status status = run(backend->pair_loss, args);
  return {status, value + grad_e.sum() + grad_h.sum() + params[0] + params[1] + params[2] + params[3]};
}

Result pair_loss_ragged() { return pair_loss<2>("ntxent"); }
Result pair_loss_supcon() { return pair_loss<8>("supcon"); }

Result select(std::int64_t k) {
  static const Rows<float> queries = ball<float>(32, 6), gallery = ball<float>(1024, 7);
  std::vector<std::int32_t> indices(static_cast<std::size_t>(32 * k));
  Rows<float> distances(32, k);
  const horoball::SelectArgs args = {.c = kCurvature,
                                     .k = k,
                                     .queries = queries.in(),
                                     .gallery = gallery.in(),
                                     .indices = indices.data(),
                                     .distances = distances.out()};
  const Status status = run(backend->select, args);
  return {status, distances.sum() + indices.front()};
}

Result select_one() { return select(1); }
Result select_ten() { return select(10); }

Result delta() {
  static const Rows<float> distances = [] {
    const Rows<float> x = ball<float>(192, 8);
    Rows<float> made(192, 192);
    const horoball::PairwiseArgs args = {
        .metric = metric_named("euclidean"), .x = x.in(), .y = x.in(), .out = made.out()};
    backend->pairwise(args, kOneThread);
    return made;
  }();
  double value = 0;
  double diameter = 0;
  const horoball::DeltaArgs args = {.distances = distances.in(), .delta = &value, .diameter = &diameter};
  return {run(backend->delta, args), value + diameter};
}

Result row(const char* name, bool backward) {
  static const Rows<float> x = ball<float>(256, 9), y = ball<float>(256, 10);
  const bool is_vector = std::strcmp(name, "dist") != 0;
  Rows<float> out(256, is_vector ? kDim : 1), grad_x(256, kDim), grad_y(256, kDim);
  const Rows<float> cotangent = points<float>(256, 11, 1, 2, out.cols);
  horoball::RowArgs args;
  args.op = index_of(horoball::row_cards(), name, "\"inputs\":");
  args.c = kCurvature;
  args.rows = 256;
  args.inputs[0] = x.in();
  args.inputs[1] = y.in();
  args.out = out.out();
  if (!backward) return {run(backend->row, args), out.sum()};
  args.cotangent = cotangent.in();
  args.grads[0] = grad_x.out();
  args.grads[1] = grad_y.out();
  const Status status = run(backend->row_vjp, args);
  return {status, grad_x.sum() + grad_y.sum()};
}

Result row_dist() { return row("dist", false); }
Result row_mobius_add() { return row("mobiusAdd", false); }
Result row_mobius_add_backward() { return row("mobiusAdd", true); }

#define HOROBALL_TEXT_(x) #x
#define HOROBALL_TEXT(x) HOROBALL_TEXT_(x)
#if defined(__clang__)
constexpr const char* kCompiler = "clang " HOROBALL_TEXT(__clang_major__);
#else
constexpr const char* kCompiler = "gcc " HOROBALL_TEXT(__GNUC__);
#endif

struct Kernel {
  const char* name;
  const char* about;
  Result (*run)();
};

constexpr Kernel kKernels[] = {
    {"pairwise", "poincare distances, 192 x 192 x 128, float32", pairwise_poincare},
    {"pairwise-euclidean", "euclidean distances, 192 x 192 x 128, float32", pairwise_euclidean},
    {"pairwise-near", "poincare distances, every row near one of the other set, 192 x 192 x 128",
     pairwise_near},
    {"pairwise-float64", "poincare distances, 128 x 128 x 128, float64", pairwise_float64},
    {"pairwise-backward", "gradients of poincare distances, 192 x 192 x 128, float32", pairwise_backward},
    {"loss", "hybrid loss with gradients, untied, 2 views of 96 classes, 128 columns", loss<96, 2, false>},
    {"loss-views", "the same, 9 views of 21 classes", loss<21, 9, false>},
    {"loss-tied", "the same, tied, 2 views of 96 classes", loss<96, 2, true>},
    {"loss-ragged", "NT-Xent with gradients, untied, 192 rows in classes of 1 to 3, 128 columns",
     pair_loss_ragged},
    {"loss-supcon", "SupCon, the same rows in classes of 1 to 15", pair_loss_supcon},
    {"select-1", "the nearest of 1,024 for 32 queries, poincare, 128 columns", select_one},
    {"select-10", "the ten nearest of 1,024 for 32 queries", select_ten},
    {"delta", "Gromov's delta of 192 points", delta},
    {"row-dist", "dist of 256 pairs of rows, 128 columns, float32", row_dist},
    {"row-add", "mobiusAdd of 256 pairs of rows", row_mobius_add},
    {"row-add-backward", "gradients of mobiusAdd of 256 pairs of rows", row_mobius_add_backward},
};

int fail(const char* name, const char* why) {
  std::fprintf(stderr, "kernels: %s: %s\n", name, why);
  return 1;
}

int run_kernel(const Kernel& kernel) {
  const Result found = kernel.run();
  if (found.status.code != horoball::Code::ok) return fail(kernel.name, found.status.message);
  if (!std::isfinite(found.sum)) return fail(kernel.name, "the result is not a finite number");
  std::printf("%s\t%.17g\t%s\n", kernel.name, found.sum, kernel.about);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) return fail("usage", "kernels LEVEL [NAME]");
  backend = horoball::cpu(words[1]);
  if (backend == nullptr) return fail(words[1], "this machine does not support the level");
  const char* wanted = count > 2 ? words[2] : nullptr;
  std::printf("%s\n", kCompiler);
  int ran = 0;
  for (const Kernel& each : kKernels) {
    if (wanted != nullptr && std::strcmp(each.name, wanted) != 0) continue;
    if (run_kernel(each) != 0) return 1;
    ++ran;
  }
  return ran > 0 ? 0 : fail(wanted, "no such kernel");
}
