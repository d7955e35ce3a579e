// Overrides a function of MKL, the BLAS in libtorch. MKL asks it whether the processor is one of Intel's; on others it
// selects kernels for an older instruction set. With this answer, it goes by the instructions that the processor has: float32
// products of libtorch 2.13 run at 530 instead of 240 GFLOP/s on two cores of a Zen 5. Loaded before libtorch, into the
// global scope, where the loader looks first.
extern "C" __attribute__((visibility("default"))) int mkl_serv_intel_cpu_true() { return 1; }
