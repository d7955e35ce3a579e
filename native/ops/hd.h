// HD marks functions that both the host compiler and nvcc compile.
#pragma once

#if defined(__CUDACC__)
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif

// HD_LOOP replaces HD for functions that loop over a row. On the host they are not inlined: in a longer function, gcc no
// longer keeps the independent partial sums in registers.
#if defined(__CUDACC__)
#define HD_LOOP HD
#else
#define HD_LOOP [[gnu::noinline]] inline
#endif

// HD_INLINE replaces HD for formulas over vectors, which must always be inlined on the host.
#if defined(__CUDACC__)
#define HD_INLINE HD
#else
#define HD_INLINE [[gnu::always_inline]] inline
#endif
