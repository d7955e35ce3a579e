// The frame of a call on a device: its memory, copies and launches on one stream, dispatch over element types and
// metric cards, and the status that it returns. The first error is kept and later operations are skipped, so a
// family needs no check after each line.
#pragma once

#include <cuda_runtime.h>

#include "core.h"
#include "ops/metrics.h"

namespace horoball::gpu {

constexpr int kThreads = 256;  // per block; 16 x 16 if the block works on a tile
// Blocks that a multiprocessor should hold at once, so that one computes products while another waits at a
// barrier. This limits a thread to 128 registers, which suffice for kernels without gradients.
constexpr int kBlocksPerProcessor = 2;

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }
constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return ceil_div(n, step) * step; }
constexpr std::int64_t min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t max(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

// Whether the device can be used; if not, `why` has the reason.
bool usable(int device, Status* why);

class Call {
 public:
  Call(int device, const Run& run);
  ~Call();  // frees the memory and restores the thread's device
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Returns scratch memory for `count` elements, not cleared, or null after an error.
  template <class T>
  T* scratch(std::int64_t count) {
    return static_cast<T*>(allocate(bytes_of<T>(count)));
  }
  // Returns an array that kernels can read: `data` itself, or a copy of it if it is in host memory. Null if `data` is.
  template <class T>
  const T* in(const void* data, std::int64_t count) {
    return static_cast<const T*>(fetch(data, bytes_of<T>(count)));
  }
  // Returns an array that kernels can fill: `data` itself or, if that is in host memory, an array that finish() copies to
  // it. Null if `data` is.
  template <class T>
  T* out(void* data, std::int64_t count) {
    return static_cast<T*>(prepare(data, bytes_of<T>(count)));
  }
  template <class T>
  void clear(T* data, std::int64_t count) {
    if (ok() && data != nullptr) check(cudaMemsetAsync(data, 0, bytes_of<T>(count), stream_), "clearing");
  }

  // Launches `kernel` with one-dimensional blocks of `threads` threads.
  template <class... Expected, class... Given>
  void launch(void (*kernel)(Expected...), std::int64_t blocks, int threads, Given&&... given) {
    if (!ok() || blocks <= 0 || stopped()) return;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.stream = stream_;
    check(cudaLaunchKernelEx(&config, kernel, static_cast<Expected>(given)...), "a launch");
  }

  // Copies results to the caller's host arrays. Waits for the device if any array of the call is in host memory.
  Status finish();

  bool ok() const { return status_.code == Code::ok; }
  // Whether float32 products may round their factors to TF32 (HOROBALL_CUDA_MATH=tf32): up to three times as
  // fast, but accurate to only three digits.
  bool plain();
  // Returns the number of blocks that occupy the whole device.
  std::int64_t busy() const { return kBlocksPerProcessor * processors_; }

 private:
  struct Result {
    void* host;
    const void* device;
    std::size_t bytes;
  };
  static constexpr int kMaxArrays = 48;

  template <class T>
  static std::size_t bytes_of(std::int64_t count) {
    return static_cast<std::size_t>(count) * sizeof(T);
  }
  void* allocate(std::size_t bytes);
  const void* fetch(const void* data, std::size_t bytes);
  void* prepare(void* data, std::size_t bytes);
  bool on_device(const void* data);
  bool stopped();
  void check(cudaError_t error, const char* what);
  void no_memory(std::size_t bytes);

  const Run& run_;
  int device_, before_ = -1;
  cudaStream_t stream_;
  std::int64_t processors_ = 1;
  Status status_;
  void* held_[kMaxArrays];
  int held_count_ = 0;
  Result results_[kMaxArrays];
  int result_count_ = 0;
  bool waits_ = false;  // whether host memory is read or written
};

namespace {

// Calls body with the element type as its type argument.
template <class Body>
inline auto with_type(Type type, Body body) {
  return type == Type::f32 ? body.template operator()<float>() : body.template operator()<double>();
}

// Calls body with the metric card and the element type of a call as its type arguments.
template <class Args, class Body>
inline auto with_card(const Args& args, Body body) {
  return with_metric(static_cast<int>(args.metric), args.guards == Guards::hypmix, [&]<class Card>() {
    return with_type(args.type, [&]<class T>() { return body.template operator()<Card, T>(); });
  });
}

}  // namespace
}  // namespace horoball::gpu
