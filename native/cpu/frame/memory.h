// Scratch memory of a call: one aligned block, divided into arrays. Not a standard container, because the ISA
// objects must not contain template functions of the standard library (see isa.cc).
#pragma once

#include <cstddef>
#include <cstdint>

namespace horoball {

inline constexpr std::size_t kAlignment = 64;

// Asks Linux to back an array of 4 MiB or more with huge pages, before it is filled: with 4 KiB pages, the page faults
// would take longer than most kernels need to compute the elements. Does nothing for smaller arrays or on other
// systems.
void prefer_huge_pages(void* data, std::uint64_t bytes);

// An owned block of bytes, aligned to a cache line, not cleared. `data` is null if the allocation failed. On Linux, a large
// block is kept for later calls when it is freed, up to 128 MiB in all, until the thread pool has been idle for 10 seconds.
class Scratch {
 public:
  explicit Scratch(std::uint64_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::byte* data = nullptr;
  std::uint64_t bytes = 0;

 private:
  std::uint64_t capacity_ = 0;
};

// Frees the blocks that are kept for later calls.
void free_kept_scratch();

namespace {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }
constexpr std::int64_t min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }

// Allocates arrays in order, each at the start of a cache line. With a null base it only measures, so that one
// function both sizes and divides a block.
class Arena {
 public:
  explicit Arena(std::byte* base) : base_(base) {}

  template <class T>
  T* allocate(std::int64_t count) {
    T* array = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += static_cast<std::uint64_t>(round_up(count * static_cast<std::int64_t>(sizeof(T)), kAlignment));
    return array;
  }
  std::uint64_t used() const { return used_; }

 private:
  std::byte* base_;
  std::uint64_t used_ = 0;
};

}  // namespace
}  // namespace horoball
