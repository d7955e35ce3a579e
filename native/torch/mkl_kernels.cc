// Overrides the function that tells MKL, the BLAS in libtorch, whether the processor is one of Intel's. On other processors,
// MKL selects kernels for an older instruction set. If the answer is 1, MKL selects them by the instructions that the
// processor supports: float32 products of libtorch 2.13 then run at 530 instead of 240 GFLOP/s on two cores of a Zen 5. This
// library is loaded before libtorch, into the global scope, where the loader looks first.
extern "C" __attribute__((visibility("default"))) int mkl_serv_intel_cpu_true() { return 1; }
