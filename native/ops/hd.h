// Cards are compiled by the host compiler and by nvcc: HD marks what both may call.
#pragma once

#if defined(__CUDACC__)
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif
