// The emulated devices and their memory.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "cuda_runtime.h"

namespace {

// An array ends within kAlignment bytes of an inaccessible page, and another such page precedes it; an access to either page
// ends the process. cudaFree() detects writes to the bytes between the array and the page that follows.
constexpr std::size_t kPage = 4096, kAlignment = 16;
constexpr unsigned char kGuardByte = 0xa5;

struct Array {
  std::size_t bytes;
  int device;
  unsigned char* mapped;
  std::size_t size;  // of the mapping
};

std::mutex mutex;
std::map<const unsigned char*, Array> arrays;
std::size_t used[16] = {};
thread_local int device_now = 0;
thread_local cudaError_t last = cudaSuccess;

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}
constexpr int kRuntime = 13000;
int driver() { return static_cast<int>(setting("HOROBALL_EMULATOR_DRIVER", kRuntime)); }
std::size_t memory_of_a_device() { return setting("HOROBALL_EMULATOR_BYTES", std::size_t{1} << 30); }

// Returns an iterator to the array that contains an address, or arrays.end().
auto holder(const void* address) {
  const auto* at = static_cast<const unsigned char*>(address);
  auto next = arrays.upper_bound(at);
  if (next == arrays.begin()) return arrays.end();
  --next;
  return at < next->first + next->second.bytes ? next : arrays.end();
}

}  // namespace

cudaError_t emulator::refused() {
  return note(static_cast<cudaError_t>(setting("HOROBALL_EMULATOR_LAUNCH", cudaSuccess)));
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (driver() < kRuntime) return note(cudaErrorInsufficientDriver);
  *count = static_cast<int>(setting("HOROBALL_EMULATOR_DEVICES", 1));
  return note(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}
cudaError_t cudaGetDevice(int* device) {
  *device = device_now;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  int count = 0;
  cudaGetDeviceCount(&count);
  if (device < 0 || device >= count) return note(cudaErrorInvalidDevice);
  device_now = device;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kRuntime;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount      ? 4
           : attribute == cudaDevAttrComputeCapabilityMajor ? 9
           : attribute == cudaDevAttrMemoryPoolsSupported   ? 1
                                                            : 0;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(mutex);
  *total = memory_of_a_device();
  *free = *total - used[device_now];
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  if (bytes > memory_of_a_device() - used[device_now]) return note(cudaErrorMemoryAllocation);
  const std::size_t inside = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const std::size_t pages = (inside + kPage - 1) / kPage * kPage;
  void* mapped = mmap(nullptr, pages + 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return note(cudaErrorMemoryAllocation);
  auto* before = static_cast<unsigned char*>(mapped);
  mprotect(before, kPage, PROT_NONE);
  mprotect(before + kPage + pages, kPage, PROT_NONE);
  unsigned char* base = before + kPage + pages - inside;
  std::memset(base, 0xff, bytes);
  std::memset(base + bytes, kGuardByte, inside - bytes);
  arrays[base] = {bytes, device_now, before, pages + 2 * kPage};
  used[device_now] += bytes;
  *data = base;
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  const std::lock_guard lock(mutex);
  const auto found = arrays.find(static_cast<unsigned char*>(data));
  if (found == arrays.end()) return note(cudaErrorInvalidValue);
  const Array array = found->second;
  for (const unsigned char* at = found->first + array.bytes; at < array.mapped + array.size - kPage; ++at) {
    if (*at == kGuardByte) continue;
    std::fprintf(stderr, "CUDA emulator: a kernel wrote beyond an array of %zu bytes\n", array.bytes);
    std::abort();
  }
  used[array.device] -= array.bytes;
  arrays.erase(found);
  munmap(array.mapped, array.size);
  return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  static int one;
  *pool = &one;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t bytes, cudaMemPool_t, cudaStream_t) {
  return cudaMalloc(data, bytes);
}
cudaError_t cudaFreeAsync(void* data, cudaStream_t) { return cudaFree(data); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const std::lock_guard lock(mutex);
  const auto found = holder(address);
  const bool here = found != arrays.end();
  *attributes = {here ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered, here ? found->second.device : 0};
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last;
  last = cudaSuccess;
  return error;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorUnsupportedPtxVersion:
      return "the provided PTX was compiled with an unsupported toolchain.";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    default:
      return "an error of the emulator";
  }
}
