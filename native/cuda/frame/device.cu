#include "cuda/frame/device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace horoball::gpu {
namespace {

constexpr int kMaxDevices = 16;
constexpr std::uint64_t kKept = std::uint64_t{1} << 29;  // bytes that a pool keeps between calls
constexpr int kLeastCapability = 8;

Status status_of(Code code) {
  Status status;
  status.code = code;
  return status;
}

template <class... Values>
void say(Status& status, const char* format, Values... values) {
  std::snprintf(status.message, sizeof status.message, format, values...);
}

// Reports that the driver is missing or too old. CUDA encodes a version as 1000 * major + 10 * minor.
void say_driver(Status& status) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) {
    say(status, "no NVIDIA driver found. Use device 'cpu' or 'auto'.");
  } else {
    say(status, "the NVIDIA driver supports CUDA %d.%d, but this build needs %d.%d. Update the driver.",
        driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  }
}

// Returns a private pool of scratch memory that keeps freed memory for the next call, or null if the device does not
// support pools or creating one fails. The device's default pool is not used, because changing its settings would affect
// other libraries.
cudaMemPool_t pool_of(int device) {
  static std::mutex mutex;
  static cudaMemPool_t pools[kMaxDevices] = {};
  static bool tried[kMaxDevices] = {};
  const std::lock_guard lock(mutex);
  if (tried[device]) return pools[device];
  tried[device] = true;
  int supported = 0;
  cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, device);
  if (supported == 0) return nullptr;
  cudaMemPoolProps wanted{};
  wanted.allocType = cudaMemAllocationTypePinned;
  wanted.location.type = cudaMemLocationTypeDevice;
  wanted.location.id = device;
  if (cudaMemPoolCreate(&pools[device], &wanted) != cudaSuccess) {
    cudaGetLastError();
    return pools[device] = nullptr;
  }
  std::uint64_t kept = kKept;
  cudaMemPoolSetAttribute(pools[device], cudaMemPoolAttrReleaseThreshold, &kept);
  return pools[device];
}

}  // namespace

bool usable(int device, Status* why) {
  Status status = status_of(Code::device);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();  // an error that is handled here must not surface in another call
  int capability = kLeastCapability;
  if (error == cudaErrorInsufficientDriver) {
    say_driver(status);
  } else if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    say(status, "no CUDA device found. Use device 'cpu' or 'auto'.");
  } else if (error != cudaSuccess) {
    say(status, "could not initialize CUDA: %s", cudaGetErrorString(error));
  } else if (device < 0 || device >= count || device >= kMaxDevices) {
    say(status, "CUDA device %d not found: devices are numbered from 0 to %d", device, count - 1);
  } else if (cudaDeviceGetAttribute(&capability, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
             capability < kLeastCapability) {
    say(status,
        "CUDA device %d has compute capability %d.x, but the kernels need %d.0 or later. Use device 'cpu'.",
        device, capability, kLeastCapability);
  } else {
    return true;
  }
  if (why != nullptr) *why = status;
  return false;
}

Call::Call(int device, const Run& run)
    : run_(run), device_(device), stream_(static_cast<cudaStream_t>(run.stream)) {
  cudaGetDevice(&before_);
  check(cudaSetDevice(device), "selecting the device");
  int processors = 1;
  if (ok())
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "querying the device");
  processors_ = processors;
}

Call::~Call() {
  for (int i = 0; i < held_count_; ++i) {
    if (pool_of(device_) != nullptr) {
      cudaFreeAsync(held_[i], stream_);
    } else {
      cudaFree(held_[i]);  // waits for the device
    }
  }
  if (before_ >= 0 && before_ != device_) cudaSetDevice(before_);
}

void* Call::allocate(std::size_t bytes) {
  if (!ok()) return nullptr;
  if (bytes == 0) bytes = 1;
  if (held_count_ == kMaxArrays) {
    check(cudaErrorInvalidValue, "allocating more arrays than a call can hold");
    return nullptr;
  }
  void* data = nullptr;
  const cudaMemPool_t pool = pool_of(device_);
  const cudaError_t error =
      pool != nullptr ? cudaMallocFromPoolAsync(&data, bytes, pool, stream_) : cudaMalloc(&data, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    no_memory(bytes);
    return nullptr;
  }
  check(error, "an allocation");
  if (ok()) held_[held_count_++] = data;
  return data;
}

const void* Call::fetch(const void* data, std::size_t bytes) {
  if (data == nullptr || on_device(data)) return data;
  waits_ = true;
  void* copy = allocate(bytes);
  if (ok() && bytes > 0) check(cudaMemcpyAsync(copy, data, bytes, cudaMemcpyDefault, stream_), "a copy");
  return copy;
}

void* Call::prepare(void* data, std::size_t bytes) {
  if (data == nullptr || on_device(data)) return data;
  waits_ = true;
  void* copy = allocate(bytes);
  if (ok()) results_[result_count_++] = {data, copy, bytes};
  return copy;
}

bool Call::on_device(const void* data) {
  cudaPointerAttributes attributes{};
  if (!ok()) return false;
  check(cudaPointerGetAttributes(&attributes, data), "querying the location of an array");
  if (attributes.type == cudaMemoryTypeManaged) return true;
  if (attributes.type != cudaMemoryTypeDevice) return false;
  if (attributes.device != device_ && ok()) {
    status_ = status_of(Code::device);
    say(status_, "an array is on CUDA device %d, but the call runs on device %d", attributes.device, device_);
  }
  return true;
}

bool Call::plain() {
  const char* math = std::getenv("HOROBALL_CUDA_MATH");
  if (math == nullptr || std::strcmp(math, "float32") == 0) return false;
  if (std::strcmp(math, "tf32") != 0 && ok()) {
    status_ = status_of(Code::unsupported);
    say(status_, "HOROBALL_CUDA_MATH: expected float32 (the default) or tf32, got '%.40s'", math);
  }
  return true;
}

bool Call::stopped() {
  if (run_.cancelled == nullptr || !run_.cancelled->load(std::memory_order_relaxed)) return false;
  status_ = status_of(Code::cancelled);
  return true;
}

Status Call::finish() {
  for (int i = 0; i < result_count_ && ok(); ++i) {
    const Result& each = results_[i];
    if (each.bytes == 0) continue;
    check(cudaMemcpyAsync(each.host, each.device, each.bytes, cudaMemcpyDefault, stream_), "a copy");
  }
  // The caller's host memory must not be in use after this returns, even if there was an error.
  if (waits_) check(cudaStreamSynchronize(stream_), "the computation");
  if (ok()) stopped();
  return status_;
}

void Call::check(cudaError_t error, const char* what) {
  if (error == cudaSuccess || !ok()) return;
  cudaGetLastError();
  status_ = status_of(error == cudaErrorMemoryAllocation ? Code::memory : Code::device);
  if (error == cudaErrorUnsupportedPtxVersion || error == cudaErrorInsufficientDriver) {
    say_driver(status_);
  } else if (error == cudaErrorNoKernelImageForDevice) {
    say(status_,
        "this build has no code for CUDA device %d. Rebuild it with -DHOROBALL_CUDA_ARCHITECTURES=AUTO.",
        device_);
  } else {
    say(status_, "CUDA device %d: %s failed: %s", device_, what, cudaGetErrorString(error));
  }
}

void Call::no_memory(std::size_t bytes) {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  status_ = status_of(Code::memory);
  say(status_, "CUDA device %d: could not allocate %zu bytes (%.2f GiB): %zu of %zu bytes are free", device_,
      bytes, static_cast<double>(bytes) / (1 << 30), free, total);
}

}  // namespace horoball::gpu
