// Selects the ISA level once, at the first call.
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "cpu/frame/levels.h"

namespace horoball {
namespace {

struct Level {
  const Backend* backend;
  bool present;
};

#if defined(HOROBALL_BASELINE_ONLY)
const Level* levels(std::size_t* count) {
  static const Level all[] = {{&backend_baseline, true}};
  *count = std::size(all);
  return all;
}
#elif defined(__x86_64__)
// Returns the compiled levels and whether this machine supports each, from the widest to the narrowest.
const Level* levels(std::size_t* count) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  static const Level all[] = {{&backend_avx512, avx512}, {&backend_avx2, avx2}, {&backend_baseline, true}};
  *count = std::size(all);
  return all;
}
#elif defined(__wasm__)
const Level* levels(std::size_t* count) {
  static const Level all[] = {{&backend_simd128, true}};
  *count = std::size(all);
  return all;
}
#else
const Level* levels(std::size_t* count) {
  static const Level all[] = {{&backend_neon, true}};
  *count = std::size(all);
  return all;
}
#endif

const Backend* widest() {
  std::size_t count = 0;
  const Level* all = levels(&count);
  for (std::size_t i = 0; i < count; ++i) {
    if (all[i].present) return all[i].backend;
  }
  return nullptr;
}

}  // namespace

const Backend* cpu(const char* level) {
  std::size_t count = 0;
  const Level* all = levels(&count);
  for (std::size_t i = 0; i < count; ++i) {
    if (std::strcmp(all[i].backend->name, level) == 0) return all[i].present ? all[i].backend : nullptr;
  }
  return nullptr;
}

const Backend* cpu_level(int index) {
  std::size_t count = 0;
  const Level* all = levels(&count);
  for (std::size_t i = count; i-- > 0;) {
    if (all[i].present && index-- == 0) return all[i].backend;
  }
  return nullptr;
}

#if defined(__wasm__)
// WebAssembly has one level and no environment variables; lib/wasm/core.ts checks HOROBALL_ISA.
const Backend* cpu() { return widest(); }
#else
const Backend* cpu() {
  static const Backend* const chosen = [] {
    const char* forced = std::getenv("HOROBALL_ISA");
    return forced != nullptr && *forced != '\0' ? cpu(forced) : widest();
  }();
  return chosen;
}
#endif

}  // namespace horoball
