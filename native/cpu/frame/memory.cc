#include "cpu/frame/memory.h"

#include <cstdlib>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#endif

// With AddressSanitizer, no block is kept, so that it finds every access to a freed one.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOROBALL_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HOROBALL_ADDRESS_SANITIZER
#endif
#if defined(__linux__) && !defined(HOROBALL_ADDRESS_SANITIZER)
#define HOROBALL_KEEPS_SCRATCH
#endif

namespace horoball {
namespace {

// Blocks of at least this size get huge pages. The C library reuses smaller ones.
constexpr std::uint64_t kLarge = 4 << 20;

}  // namespace

void prefer_huge_pages(void* data, std::uint64_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr std::uint64_t kPage = 4096;
  if (bytes < kLarge) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin,
          MADV_HUGEPAGE);  // only a hint, so a failure is ignored
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

namespace {

void* allocate(std::uint64_t bytes) {
  return std::aligned_alloc(kAlignment, bytes == 0 ? kAlignment : static_cast<std::size_t>(bytes));
}

#if defined(HOROBALL_KEEPS_SCRATCH)

// Large blocks that calls have freed, for later calls. The C library would unmap them or fragment its heap, and page faults
// would take longer than most kernels. A search of 60,000 rows took up to three times as long.
class KeptBlocks {
 public:
  // Removes and returns the smallest block of at least this size. If no block is large enough, unmaps the largest, because the
  // caller's new block will serve its purpose too, and returns null.
  void* take(std::uint64_t bytes, std::uint64_t* capacity) {
    const Access access(busy_);
    if (!access.granted) return nullptr;
    int best = -1, largest = -1;
    for (int i = 0; i < count_; ++i) {
      if (blocks_[i].bytes >= bytes && (best < 0 || blocks_[i].bytes < blocks_[best].bytes)) best = i;
      if (largest < 0 || blocks_[i].bytes > blocks_[largest].bytes) largest = i;
    }
    if (best >= 0) {
      *capacity = blocks_[best].bytes;
      return remove(best);
    }
    if (largest >= 0) unmap(largest);
    return nullptr;
  }

  // Keeps a block, and unmaps the oldest ones beyond the limits.
  void keep(void* data, std::uint64_t bytes) {
    const Access access(busy_);
    if (!access.granted || bytes > kMostBytes) {
      munmap(data, bytes);
      return;
    }
    blocks_[count_++] = {data, bytes};
    total_ += bytes;
    while (count_ > kMostBlocks || total_ > kMostBytes) unmap(0);
  }

  void unmap_all() {
    const Access access(busy_);
    while (access.granted && count_ > 0) unmap(0);
  }

 private:
  // Access to the blocks, granted unless another thread has it. Nothing waits for it, because a forked child may inherit it
  // from a thread that does not exist there.
  struct Access {
    explicit Access(std::atomic_flag& flag)
        : busy(flag), granted(!flag.test_and_set(std::memory_order_acquire)) {}
    ~Access() {
      if (granted) busy.clear(std::memory_order_release);
    }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

    std::atomic_flag& busy;
    const bool granted;
  };
  struct Block {
    void* data;
    std::uint64_t bytes;
  };
  static constexpr int kMostBlocks = 8;
  static constexpr std::uint64_t kMostBytes = 128 << 20;

  void* remove(int place) {
    void* data = blocks_[place].data;
    total_ -= blocks_[place].bytes;
    std::copy(blocks_ + place + 1, blocks_ + count_, blocks_ + place);
    --count_;
    return data;
  }

  void unmap(int place) {
    const std::uint64_t bytes = blocks_[place].bytes;
    munmap(remove(place), bytes);
  }

  std::atomic_flag busy_;
  Block blocks_[kMostBlocks + 1] = {};
  int count_ = 0;
  std::uint64_t total_ = 0;
};

constinit KeptBlocks kept_blocks;

void* map(std::uint64_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void* obtain(std::uint64_t bytes, std::uint64_t* capacity) {
  *capacity = bytes;
  if (bytes < kLarge) return allocate(bytes);
  if (void* kept = kept_blocks.take(bytes, capacity)) return kept;
  void* data = map(bytes);
  if (data == nullptr) {
    kept_blocks.unmap_all();
    data = map(bytes);
  }
  if (data != nullptr) prefer_huge_pages(data, bytes);
  return data;
}

void give_back(void* data, std::uint64_t capacity) {
  if (capacity < kLarge)
    std::free(data);
  else if (data != nullptr)
    kept_blocks.keep(data, capacity);
}

#else

void* obtain(std::uint64_t bytes, std::uint64_t* capacity) {
  *capacity = bytes;
  void* data = allocate(bytes);
  if (data != nullptr) prefer_huge_pages(data, bytes);
  return data;
}

void give_back(void* data, std::uint64_t) { std::free(data); }

#endif

}  // namespace

void free_kept_scratch() {
#if defined(HOROBALL_KEEPS_SCRATCH)
  kept_blocks.unmap_all();
#endif
}

Scratch::Scratch(std::uint64_t wanted) : bytes((wanted + kAlignment - 1) / kAlignment * kAlignment) {
  // No allocation can be larger than PTRDIFF_MAX.
  if (bytes > std::numeric_limits<std::ptrdiff_t>::max()) return;
  data = static_cast<std::byte*>(obtain(bytes, &capacity_));
}

Scratch::~Scratch() { give_back(data, capacity_); }

}  // namespace horoball
