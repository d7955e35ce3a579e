// Compares the contrastive loss divided among ranks, each of them a thread, with the whole loss. `split` prints one line per
// case with the largest relative error of any result, and `split fail` prints the statuses of ranks that could not gather.
#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "core.h"

namespace {

using horoball::Code;
using horoball::ContrastArgs;
using horoball::ContrastPart;
using horoball::ContrastStats;
using horoball::Geometry;
using horoball::Type;
using Numbers = std::vector<double>;
using Starts = std::vector<std::int64_t>;

// Directions from a linear congruential generator, with norms from 0.5 to `longest`; unit rows if `longest` is 1.
Numbers points(std::int64_t rows, std::int64_t cols, std::uint32_t seed, double longest) {
  Numbers made(static_cast<std::size_t>(rows * cols));
  std::uint32_t state = seed;
  const auto next = [&state] { return (state = state * 1664525U + 1013904223U) / 4294967296.0; };
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = made.data() + i * cols;
    double square = 0;
    for (std::int64_t k = 0; k < cols; ++k) {
      row[k] = next() - 0.5;
      square += row[k] * row[k];
    }
    const double norm = longest == 1 ? 1 : 0.5 + (longest - 0.5) * next();
    for (std::int64_t k = 0; k < cols; ++k) row[k] *= norm / std::sqrt(square);
  }
  return made;
}

struct Shape {
  std::int64_t views, classes, cols;
  std::int64_t remembered;  // classes at the end of each rank, without gradients
  bool shuffled;            // the rows of a rank are in a different order than its classes
};

struct Results {
  double loss = 0;
  ContrastStats stats;
  double params[4] = {};
  Numbers euclidean, hyperbolic;  // gradients
};

// The ranks of a group: threads that wait for each other twice per gather.
class Ranks {
 public:
  explicit Ranks(std::int64_t size) : sources_(static_cast<std::size_t>(size)), meeting_(size) {}

  void gather(std::int64_t rank, const void* own, std::int64_t bytes, void* all) {
    std::vector<char> copy(static_cast<const char*>(own), static_cast<const char*>(own) + bytes);
    sources_[static_cast<std::size_t>(rank)] = copy.data();
    meeting_.arrive_and_wait();
    auto* to = static_cast<char*>(all);
    for (const char* source : sources_) to = std::copy_n(source, bytes, to);
    meeting_.arrive_and_wait();
  }

 private:
  std::vector<const char*> sources_;
  std::barrier<> meeting_;
};

struct Place {
  Ranks* ranks;
  std::int64_t rank;
};

bool gather(void* context, const void* own, std::int64_t bytes, void* all) {
  const auto* place = static_cast<const Place*>(context);
  place->ranks->gather(place->rank, own, bytes, all);
  return true;
}

bool refuse(void*, const void*, std::int64_t, void*) { return false; }

template <class T>
struct Batch {
  Shape shape;
  ContrastArgs args;
  std::vector<T> euclidean, hyperbolic;
  std::vector<std::int32_t> order;

  Batch(const Shape& given, int geometry, bool tied, horoball::Guards guards) : shape(given) {
    const std::int64_t rows = shape.views * shape.classes;
    const Numbers e = points(rows, shape.cols, 3, 1), h = points(rows, shape.cols, 5, 2.5);
    euclidean.assign(e.begin(), e.end());
    hyperbolic.assign(h.begin(), h.end());
    args.type = sizeof(T) == 4 ? Type::f32 : Type::f64;
    args.geometry = static_cast<Geometry>(geometry);
    args.guards = guards;
    args.tied = tied;
    args.mean = shape.views > 2;
    args.views = shape.views;
    args.tau_e = 0.1;
    args.tau_h = 0.2;
    args.lambda = 0.5;
    args.c = 0.1;
    args.clip = 2.3;
    args.euclidean = {euclidean.data(), rows, shape.cols};
    args.hyperbolic = {hyperbolic.data(), rows, shape.cols};
  }

  // Reverses the order of each rank's rows that have gradients.
  void shuffle(const Starts& starts) {
    if (!shape.shuffled) return;
    order.resize(euclidean.size() / static_cast<std::size_t>(shape.cols));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t rank = 0; rank + 1 < starts.size(); ++rank) {
      const std::int64_t end = starts[rank] + wanted(starts, static_cast<std::int64_t>(rank));
      std::reverse(order.begin() + starts[rank] * shape.views, order.begin() + end * shape.views);
    }
    args.order = order.data();
  }

  std::int64_t wanted(const Starts& starts, std::int64_t rank) const {
    const std::int64_t own = starts[rank + 1] - starts[rank];
    return std::max<std::int64_t>(0, own - shape.remembered);
  }

  Results compute(const ContrastPart* part, int threads, Code* code) const {
    ContrastArgs call = args;
    Results out;
    const std::int64_t rows = part == nullptr ? call.euclidean.rows : part->wanted * call.views;
    std::vector<T> e(static_cast<std::size_t>(rows * shape.cols + 1)), h = e;
    const auto [reads_e, reads_h] = horoball::reads_of(call.geometry, call.tied);
    if (reads_e) call.grad_euclidean = {e.data(), rows, shape.cols};
    if (reads_h) call.grad_hyperbolic = {h.data(), rows, shape.cols};
    call.loss = &out.loss;
    call.stats = &out.stats;
    call.grad_params = out.params;
    call.part = part;
    horoball::Status status = horoball::check_contrast(call);
    if (status.code == Code::ok) status = horoball::cpu()->contrast(call, {.threads = threads});
    *code = status.code;
    e.pop_back();
    h.pop_back();
    out.euclidean.assign(e.begin(), e.end());
    out.hyperbolic.assign(h.begin(), h.end());
    return out;
  }

  std::vector<Results> divided(const Starts& starts, bool fails, std::vector<Code>& codes) const {
    const std::size_t size = starts.size() - 1;
    std::vector<Results> all(size);
    codes.assign(size, Code::ok);
    Ranks ranks(static_cast<std::int64_t>(size));
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < size; ++r) {
      threads.emplace_back([&, r] {
        const auto rank = static_cast<std::int64_t>(r);
        Place place{&ranks, rank};
        const ContrastPart part{static_cast<std::int64_t>(size),
                                rank,
                                starts.data(),
                                wanted(starts, rank),
                                starts[r] * shape.views,
                                fails ? refuse : gather,
                                &place};
        all[r] = compute(&part, rank == 0 ? 2 : 1, &codes[r]);
      });
    }
    for (std::thread& each : threads) each.join();
    return all;
  }
};

// Returns the norm of the difference of two vectors, divided by the norm of `expected` unless that is 0; +infinity for NaN.
double error_of(const double* got, const double* expected, std::int64_t count) {
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    difference += (got[i] - expected[i]) * (got[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  if (std::isnan(difference) || std::isnan(size)) return std::numeric_limits<double>::infinity();
  return size == 0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

template <class T>
double compare(Batch<T> batch, const Starts& starts) {
  batch.shuffle(starts);
  Code code;
  std::vector<Code> codes;
  const Results whole = batch.compute(nullptr, 1, &code);
  const std::vector<Results> parts = batch.divided(starts, false, codes);
  double worst = code == Code::ok ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t r = 0; r < parts.size(); ++r) {
    const Results& part = parts[r];
    if (codes[r] != Code::ok) return std::numeric_limits<double>::infinity();
    const std::int64_t first = starts[r] * batch.shape.views * batch.shape.cols;
    const auto count = static_cast<std::int64_t>(part.euclidean.size());
    const double* stats = &part.stats.min;
    worst = std::max({worst, error_of(&part.loss, &whole.loss, 1), error_of(stats, &whole.stats.min, 4),
                      error_of(part.params, whole.params, 4),
                      error_of(part.euclidean.data(), whole.euclidean.data() + first, count),
                      error_of(part.hyperbolic.data(), whole.hyperbolic.data() + first, count)});
  }
  return worst;
}

template <class T>
void print(const char* type, int geometry, bool tied, horoball::Guards guards) {
  // The boundaries of the ranks' classes. The CPU divides the classes of a rank into blocks of at most 144 (float32) or 96.
  const std::vector<Starts> splits{{0, 131}, {0, 1, 131}, {0, 40, 40, 97, 131}};
  const std::vector<Shape> shapes{{2, 131, 24, 0, false}, {2, 131, 24, 9, true}, {3, 131, 17, 0, true}};
  for (const Shape& shape : shapes) {
    for (const Starts& starts : splits) {
      const double error = compare(Batch<T>(shape, geometry, tied, guards), starts);
      std::printf("%s geometry %d %s guards %d, %d views, %d remembered, %zu ranks\t%.3g\n", type, geometry,
                  tied ? "tied" : "untied", static_cast<int>(guards), static_cast<int>(shape.views),
                  static_cast<int>(shape.remembered), starts.size() - 1, error);
    }
  }
  // A batch whose float64 tiles exceed their memory budget (kTileBudget in cpu/contrast/tiles.h).
  if (tied && guards == horoball::Guards::clean) {
    const double error = compare(Batch<T>({2, 1300, 300, 0, false}, geometry, tied, guards), {0, 500, 1300});
    std::printf("%s geometry %d, 2600 rows\t%.3g\n", type, geometry, error);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && std::strcmp(arguments[1], "fail") == 0) {
    std::vector<Code> codes;
    Batch<double>({2, 131, 24, 0, false}, 0, false, {}).divided({0, 64, 131}, true, codes);
    for (const Code code : codes) std::printf("%d\n", static_cast<int>(code));
    return 0;
  }
  for (int geometry = 0; geometry < horoball::cpu()->geometries; ++geometry) {
    for (const bool tied : {false, true}) {
      for (const auto guards : {horoball::Guards::clean, horoball::Guards::hypmix}) {
        print<double>("float64", geometry, tied, guards);
        print<float>("float32", geometry, tied, guards);
      }
    }
  }
}
