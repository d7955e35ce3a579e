// What the families ask of the CUDA runtime: the device, memory, copies and launches of one call, on one
// stream. The first error stands; what comes after it is skipped, so that a family reads without a check a
// line.
#pragma once

#include <cuda_runtime.h>

#include "core.h"

namespace horoball::gpu {

constexpr int kThreads = 256;  // of a block; 16 x 16 where the block works on a tile
// Blocks that a processor should hold at once, so that one has products to make while another waits at a
// barrier: it bounds a thread's registers to 128, which kernels without gradients keep to.
constexpr int kTogether = 2;

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }
constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return ceil_div(n, step) * step; }
constexpr std::int64_t lesser(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t greater(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

// Whether the device can be used; the reason where it can't.
bool usable(int device, Status* why);

class Call {
 public:
  Call(int device, const Run& run);
  ~Call();  // gives the memory back, and the thread its device
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Working memory, not cleared. Null when there was an error.
  template <class T>
  T* scratch(std::int64_t count) {
    return static_cast<T*>(allocate(bytes_of<T>(count)));
  }
  // An array that kernels read, null where it is not given: itself, or a copy where it lies on the host.
  template <class T>
  const T* in(const void* data, std::int64_t count) {
    return static_cast<const T*>(fetch(data, bytes_of<T>(count)));
  }
  // An array that kernels fill, null where it is not wanted: itself, or one that finish() copies to the host.
  template <class T>
  T* out(void* data, std::int64_t count) {
    return static_cast<T*>(prepare(data, bytes_of<T>(count)));
  }
  template <class T>
  void clear(T* data, std::int64_t count) {
    if (ok() && data != nullptr) check(cudaMemsetAsync(data, 0, bytes_of<T>(count), stream_), "clearing");
  }

  // One-dimensional blocks of `threads`. `kernel` is called as the arguments say.
  template <class... Expected, class... Given>
  void launch(void (*kernel)(Expected...), std::int64_t blocks, int threads, Given&&... given) {
    if (!ok() || blocks <= 0 || stopped()) return;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.stream = stream_;
    check(cudaLaunchKernelEx(&config, kernel, static_cast<Expected>(given)...), "a launch");
  }

  // Copies results to the host and waits for them, if any result lies there.
  Status finish();

  bool ok() const { return status_.code == Code::ok; }
  // Whether float32 products may take their factors as TF32 (HOROBALL_CUDA_MATH=tf32): up to three times as
  // fast, and right to three digits only.
  bool plain();
  // How many blocks keep the device busy.
  std::int64_t busy() const { return kTogether * processors_; }

 private:
  struct Result {
    void* host;
    const void* device;
    std::size_t bytes;
  };
  static constexpr int kMost = 48;

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
  void* held_[kMost];
  int held_count_ = 0;
  Result results_[kMost];
  int result_count_ = 0;
  bool waits_ = false;  // something on the host is read or written
};

}  // namespace horoball::gpu
