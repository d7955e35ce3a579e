// One table per compiled ISA level, defined by isa.cc.
#pragma once

#include "core.h"

namespace horoball {

#if defined(__x86_64__)
extern const Backend backend_baseline;
extern const Backend backend_avx2;
extern const Backend backend_avx512;
#elif defined(__wasm__)
extern const Backend backend_simd128;
#else
extern const Backend backend_neon;
#endif

}  // namespace horoball
