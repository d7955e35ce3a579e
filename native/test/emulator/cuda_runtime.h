// A CUDA runtime for machines without a GPU: the part of it that native/cuda/ uses, so that its sources compile as
// plain C++ and their kernels run on the CPU. For tests only; its speed does not predict that of a GPU.
//
// Every thread of a block is a fiber that runs until it reaches a barrier or an operation of its whole warp; blocks run
// one after another. Threads are resumed in an order that changes from one barrier to the next (and with
// HOROBALL_EMULATOR_SEED), so a kernel with a missing barrier is likely to give a wrong result. A barrier that some threads
// never reach ends the process with a message. A write out of bounds also ends it (memory.cc). Fresh device memory is filled
// with NaN.
//
//   HOROBALL_EMULATOR_DEVICES   number of devices (default 1)
//   HOROBALL_EMULATOR_BYTES     memory of each device (default 1 GiB)
//   HOROBALL_EMULATOR_DRIVER    the CUDA version of the driver (default 13000, the runtime's version; 0: no driver)
//   HOROBALL_EMULATOR_LAUNCH    the error number that every launch returns instead of running
//   HOROBALL_EMULATOR_SEED      seed of the order of threads and blocks
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __grid_constant__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline unsigned __float_as_uint(float value) {
  unsigned bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
template <class V>
void __stcs(V* to, V value) {
  *to = value;
}

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorUnsupportedPtxVersion = 222,
};
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3
};
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor,
  cudaDevAttrMemoryPoolsSupported,
};
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold };
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
using cudaStream_t = void*;
using cudaMemPool_t = void*;
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
};
struct cudaMemLocation {
  cudaMemLocationType type;
  int id;
};
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  cudaMemLocation location;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

// Returns the error of HOROBALL_EMULATOR_LAUNCH, which the next cudaGetLastError() also reports.
cudaError_t refused();
// Runs `body` once per thread of every block.
void run(dim3 grid, dim3 threads, void (*body)(void*), void* context);
void block_barrier();
void warp_barrier();
bool block_any(bool mine);
// Returns the 8 bytes that lane `lane` of this warp passes as `mine`.
std::uint64_t exchange(std::uint64_t mine, int lane);
int lane();

}  // namespace emulator

inline void __syncthreads() { emulator::block_barrier(); }
inline int __syncthreads_or(int mine) { return emulator::block_any(mine != 0); }
inline void __syncwarp() { emulator::warp_barrier(); }

template <class T>
T __shfl_sync(unsigned, T value, int from) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = emulator::exchange(bits, from);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return __shfl_sync(0xffffffffu, value, emulator::lane() ^ mask);
}

cudaError_t cudaGetDeviceCount(int*);
cudaError_t cudaGetDevice(int*);
cudaError_t cudaSetDevice(int);
cudaError_t cudaDriverGetVersion(int*);
cudaError_t cudaRuntimeGetVersion(int*);
cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int device);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaMalloc(void**, std::size_t);
cudaError_t cudaFree(void*);
cudaError_t cudaMemPoolCreate(cudaMemPool_t*, const cudaMemPoolProps*);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*);
cudaError_t cudaMallocFromPoolAsync(void**, std::size_t, cudaMemPool_t, cudaStream_t);
cudaError_t cudaFreeAsync(void*, cudaStream_t);
cudaError_t cudaMemcpyAsync(void*, const void*, std::size_t, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes*, const void*);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t);

template <class... Expected, class... Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...),
                               Given&&... given) {
  auto body = [&] { kernel(static_cast<Expected>(given)...); };
  using Body = decltype(body);
  if (const cudaError_t error = emulator::refused(); error != cudaSuccess) return error;
  emulator::run(
      config->gridDim, config->blockDim, [](void* context) { (*static_cast<Body*>(context))(); }, &body);
  return cudaSuccess;
}
