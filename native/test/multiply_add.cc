// Measures the machine's peak rate of float32 multiply-adds, with which the benchmarks compare their rates:
// `multiply_add THREADS` prints GFLOP/s. Each thread works in registers only, with enough independent sums to hide the
// latency of an instruction.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kSums = 12;  // 2 execution ports x a latency of at most 6 cycles
constexpr int kSteps = 1 << 14;

using Float4 = float __attribute__((vector_size(16)));
using Float8 = float __attribute__((vector_size(32)));
using Float16 = float __attribute__((vector_size(64)));

// Runs kSums x kSteps multiply-adds on vectors. The compiler does not know the factor, so it cannot simplify them.
template <class Vec>
[[gnu::always_inline]] inline float run(float factor) {
  Vec sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = Vec{} + static_cast<float>(i);
  const Vec x = Vec{} + factor, y = Vec{} + (1 - factor);
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * x + y;
  }
  Vec total{};
  for (const Vec& sum : sums) total += sum;
  float out = 0;
  for (std::size_t lane = 0; lane < sizeof(Vec) / sizeof(float); ++lane) out += total[lane];
  return out;
}

struct Level {
  float (*run)(float);
  int lanes;
};

#if defined(__x86_64__)
[[gnu::target("avx512f,fma"), gnu::noinline]] float run_avx512(float factor) { return run<Float16>(factor); }
[[gnu::target("avx2,fma"), gnu::noinline]] float run_avx2(float factor) { return run<Float8>(factor); }
#endif
[[gnu::noinline]] float run_base(float factor) { return run<Float4>(factor); }

Level widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {run_avx512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {run_avx2, 8};
#endif
  return {run_base, 4};
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Returns the floating-point operations per second of all threads together, measured for `seconds`.
double rate(const Level& level, int threads, double seconds) {
  std::atomic<long> runs{0};
  volatile float sink = 0;
  const auto start = Clock::now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      float total = 0;
      for (; seconds_since(start) < seconds; ++runs) total += level.run(0.5f);
      sink = total;
    });
  }
  for (std::thread& worker : workers) worker.join();
  return 2.0 * kSums * kSteps * level.lanes * static_cast<double>(runs) / seconds_since(start);
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  if (threads < 1) {
    std::fprintf(stderr, "Usage: multiply_add THREADS\n");
    return 2;
  }
  const Level level = widest();
  double best = 0;
  for (int round = 0; round < 5; ++round) best = std::max(best, rate(level, threads, 0.1));
  std::printf("%.1f\n", best / 1e9);
}
