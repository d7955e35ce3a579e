// HD marks functions that both the host compiler and nvcc compile.
#pragma once

#if defined(__CUDACC__)
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif

// The same for loops over a row. On the host they stay separate functions: if they are inlined into a longer one, gcc no
// longer keeps the independent partial sums in registers.
#if defined(__CUDACC__)
#define HD_LOOP HD
#else
#define HD_LOOP [[gnu::noinline]] inline
#endif

// The same for formulas over vectors. On the host, they must always be inlined.
#if defined(__CUDACC__)
#define HD_INLINE HD
#else
#define HD_INLINE [[gnu::always_inline]] inline
#endif
