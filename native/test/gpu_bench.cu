// Times contrast(), pairwise() and select() of the CUDA table on arrays in device memory, as training uses them: nothing is
// copied, and the host waits only at the end of a batch of calls. Prints one JSON object per line: operation, shape,
// milliseconds per call, and the rate of its matrix products. `bench/gpu.ts` runs this program next to the peer libraries.
//
//   gpu_bench usual|large [largest number of rows]
#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core.h"

namespace horoball {
namespace {

void require(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(1);
}
bool succeeded(const Status& status) {
  if (status.code != Code::ok) std::fprintf(stderr, "%s\n", status.message);
  return status.code == Code::ok;
}

class Array {
 public:
  explicit Array(std::size_t bytes) { require(cudaMalloc(&data, std::max<std::size_t>(bytes, 1))); }
  ~Array() { cudaFree(data); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  void* data = nullptr;
};

// Rows of norm `radius`.
std::vector<float> rows_of(std::int64_t n, std::int64_t d, double radius, unsigned seed) {
  std::mt19937 next(seed);
  std::normal_distribution<double> normal;
  std::vector<float> rows(static_cast<std::size_t>(n * d));
  for (std::int64_t i = 0; i < n; ++i) {
    double square = 0;
    for (std::int64_t k = 0; k < d; ++k) {
      const double value = normal(next);
      rows[static_cast<std::size_t>(i * d + k)] = static_cast<float>(value);
      square += value * value;
    }
    for (std::int64_t k = 0; k < d; ++k)
      rows[static_cast<std::size_t>(i * d + k)] *= static_cast<float>(radius / std::sqrt(square));
  }
  return rows;
}

void upload(const Array& to, const std::vector<float>& from) {
  require(cudaMemcpyAsync(to.data, from.data(), from.size() * sizeof(float), cudaMemcpyDefault, nullptr));
  require(cudaStreamSynchronize(nullptr));
}

constexpr double kSlow = 2000;

// Milliseconds per call, the median over batches; negative if a call failed.
template <class Body>
double milliseconds(Body body) {
  using Clock = std::chrono::steady_clock;
  const auto batch = [&](int calls) {
    const auto begin = Clock::now();
    for (int i = 0; i < calls; ++i) {
      if (!succeeded(body())) return -1.0;
    }
    require(cudaStreamSynchronize(nullptr));
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count() / calls;
  };
  const double first = batch(1);
  if (first < 0 || first > kSlow) return first;  // takes seconds: one call is enough
  batch(2);
  const double once = batch(1);
  if (once < 0) return once;
  const int calls = std::clamp(static_cast<int>(100 / std::max(once, 1e-3)), 1, 200);
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) times.push_back(batch(calls));
  std::sort(times.begin(), times.end());
  return times.front() < 0 ? times.front() : times[times.size() / 2];
}

void print(const std::string& op, const std::string& shape, double ms, double flops) {
  if (ms < 0) return;
  std::printf("{\"side\":\"horoball\",\"op\":\"%s\",\"shape\":\"%s\",\"ms\":%.5f,\"gflops\":%.1f}\n",
              op.c_str(), shape.c_str(), ms, flops / ms / 1e6);
  std::fflush(stdout);
}

struct Batch {
  std::int64_t views, classes, dim;
};

void loss(const Backend& backend, const Batch& batch, bool tied) {
  const std::int64_t n = batch.views * batch.classes, d = batch.dim;
  const std::size_t bytes = static_cast<std::size_t>(n * d) * sizeof(float);
  const Array e(bytes), h(tied ? 0 : bytes), grad_e(bytes), grad_h(tied ? 0 : bytes),
      numbers(9 * sizeof(double));
  upload(e, rows_of(n, d, 1, 1));
  if (!tied) upload(h, rows_of(n, d, 0.97, 2));
  ContrastArgs args;
  args.tied = tied;
  args.views = batch.views;
  args.tau_e = 0.05;
  args.tau_h = 0.2;
  args.lambda = 3;
  args.c = 0.1;
  args.clip = 2.3;
  args.euclidean = {e.data, n, d};
  args.hyperbolic = {tied ? nullptr : h.data, n, d};
  args.grad_euclidean = {grad_e.data, n, d};
  if (!tied) args.grad_hyperbolic = {grad_h.data, n, d};
  args.loss = static_cast<double*>(numbers.data);
  args.stats = reinterpret_cast<ContrastStats*>(args.loss + 1);
  const double ms = milliseconds([&] { return backend.contrast(args, Run{}); });
  const double products = (tied ? 1 : 2) * 3.0 * 2 * static_cast<double>(n) * static_cast<double>(n * d);
  print(tied ? "loss, tied" : "loss",
        std::to_string(batch.views) + " x " + std::to_string(batch.classes) + " x " + std::to_string(d), ms,
        products);
}

void pairwise(const Backend& backend, std::int64_t n, std::int64_t d) {
  const Array x(static_cast<std::size_t>(n * d) * sizeof(float)),
      y(static_cast<std::size_t>(n * d) * sizeof(float)),
      out(static_cast<std::size_t>(n * n) * sizeof(float));
  upload(x, rows_of(n, d, 0.9, 3));
  upload(y, rows_of(n, d, 0.8, 4));
  PairwiseArgs args;
  args.x = {x.data, n, d};
  args.y = {y.data, n, d};
  args.out = {out.data, n, n};
  const double ms = milliseconds([&] { return backend.pairwise(args, Run{}); });
  print("pairwise", std::to_string(n) + " x " + std::to_string(n) + " x " + std::to_string(d), ms,
        2.0 * static_cast<double>(n) * static_cast<double>(n * d));
}

// Searches a gallery of `n` rows with its first `queries` rows as queries.
void select(const Backend& backend, std::int64_t queries, std::int64_t n, std::int64_t d, std::int64_t k) {
  const Array x(static_cast<std::size_t>(n * d) * sizeof(float)),
      index(static_cast<std::size_t>(queries * k) * sizeof(std::int32_t)),
      distance(static_cast<std::size_t>(queries * k) * sizeof(float));
  upload(x, rows_of(n, d, 0.9, 5));
  SelectArgs args;
  args.k = k;
  args.queries = {x.data, queries, d};
  args.gallery = {x.data, n, d};
  args.indices = static_cast<std::int32_t*>(index.data);
  args.distances = {distance.data, queries, k};
  const double ms = milliseconds([&] { return backend.select(args, Run{}); });
  print("topK " + std::to_string(k),
        std::to_string(queries) + " x " + std::to_string(n) + " x " + std::to_string(d), ms,
        2.0 * static_cast<double>(queries) * static_cast<double>(n * d));
}

// Times the three functions. `large`: on shapes that fill the device, instead of the shapes on which the peer libraries are
// also timed. `most`: maximum number of rows.
int bench(bool large, std::int64_t most) {
  Status why;
  const Backend* backend = cuda(0, &why);
  if (backend == nullptr) {
    std::fprintf(stderr, "%s\n", why.message);
    return 1;
  }
  struct Search {
    std::int64_t queries, gallery;
  };
  const std::vector<Batch> batches = large ? std::vector<Batch>{{2, 32768, 128}, {2, 500000, 128}}
                                           : std::vector<Batch>{{2, 450, 128}, {9, 100, 128}, {2, 2048, 128}};
  const std::vector<std::int64_t> squares =
      large ? std::vector<std::int64_t>{16384} : std::vector<std::int64_t>{1024, 8192};
  const std::vector<Search> searches =
      large ? std::vector<Search>{{60502, 60502}, {1000, 1000000}, {10000, 1000000}}
            : std::vector<Search>{{10000, 10000}};
  for (const Batch& batch : batches) {
    if (batch.views * batch.classes > most) continue;
    loss(*backend, batch, true);
    if (batch.classes < 100000) loss(*backend, batch, false);
  }
  for (const std::int64_t n : squares) {
    if (n <= most) pairwise(*backend, n, 128);
  }
  for (const auto& [queries, gallery] : searches) {
    if (gallery <= most) select(*backend, queries, gallery, 128, 10);
  }
  return 0;
}

}  // namespace
}  // namespace horoball

int main(int count, char** arguments) {
  const std::string set = count > 1 ? arguments[1] : "usual";
  if (set != "usual" && set != "large") {
    std::fprintf(stderr, "gpu_bench: expected usual or large, got %s\n", set.c_str());
    return 2;
  }
  return horoball::bench(set == "large", count > 2 ? std::atoll(arguments[2]) : 1000000);
}
