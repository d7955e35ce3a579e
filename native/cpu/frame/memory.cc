#include "cpu/frame/memory.h"

#include <cstdlib>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace horoball {

void prefer_huge_pages(void* data, std::uint64_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr std::uint64_t kPage = 4096, kFew = 4 << 20;
  if (bytes < kFew) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin,
          MADV_HUGEPAGE);  // only a hint, so a failure is ignored
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

Scratch::Scratch(std::uint64_t wanted) : bytes((wanted + kAlignment - 1) / kAlignment * kAlignment) {
  // No allocation can be larger than PTRDIFF_MAX.
  if (bytes > std::numeric_limits<std::ptrdiff_t>::max()) return;
  data = static_cast<std::byte*>(
      std::aligned_alloc(kAlignment, bytes == 0 ? kAlignment : static_cast<std::size_t>(bytes)));
  if (data != nullptr) prefer_huge_pages(data, bytes);
}

Scratch::~Scratch() { std::free(data); }

}  // namespace horoball
