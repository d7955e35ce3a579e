// Cards are compiled by the host compiler and by nvcc: HD marks what both may call.
#pragma once

#if defined(__CUDACC__)
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif

// The same, of loops over a row. On the host a function of its own: within a longer one the compiler does not
// see that independent sums fit a register.
#if defined(__CUDACC__)
#define HD_LOOP HD
#else
#define HD_LOOP [[gnu::noinline]] inline
#endif
