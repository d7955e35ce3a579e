# The kernel families (native/README.md), compiled once per ISA level from one source file. All their code has internal
# linkage, so that the linker cannot use an AVX-512 copy of a helper for the baseline.
find_package(Threads REQUIRED)

file(GLOB horoball_cpu_sources CONFIGURE_DEPENDS native/cpu/*/*.cc)
add_library(horoball_kernels STATIC ${horoball_cpu_sources})
target_include_directories(horoball_kernels PRIVATE native)
target_link_libraries(horoball_kernels PRIVATE horoball_warnings Threads::Threads)

# Builds with sanitizers use -O1, because compiling them at -O3 would take half an hour.
set(horoball_optimize $<IF:$<BOOL:${HOROBALL_SANITIZE}>,-O1,-O3>)
set_source_files_properties(native/cpu/row/formula.cc PROPERTIES COMPILE_OPTIONS
  "${horoball_optimize};-ffp-contract=off")

# Always optimized, even if the bindings are built for debugging: without optimization the kernels are too slow to use.
# Contraction is off, because it would change compensated sums: kernels call fused multiply-adds explicitly.
function(horoball_level name)
  add_library(horoball_${name} OBJECT native/cpu/isa.cc)
  target_include_directories(horoball_${name} PRIVATE native)
  target_compile_definitions(horoball_${name} PRIVATE HOROBALL_LEVEL=${name})
  target_compile_options(horoball_${name} PRIVATE ${horoball_optimize} -ffp-contract=off -fno-math-errno -fno-exceptions ${ARGN})
  target_link_libraries(horoball_${name} PRIVATE horoball_warnings)
  target_sources(horoball_kernels PRIVATE $<TARGET_OBJECTS:horoball_${name}>)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  # The level for processors without AVX2. -O2 makes it 38% (0.6 MB) smaller than -O3; it executes up to 8% more
  # instructions.
  horoball_level(baseline $<$<NOT:$<BOOL:${HOROBALL_SANITIZE}>>:-O2>)
  if(HOROBALL_BASELINE_ONLY)
    target_compile_definitions(horoball_kernels PRIVATE HOROBALL_BASELINE_ONLY)
    return()
  endif()
  horoball_level(avx2 -mavx2 -mfma)
  horoball_level(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma)
else()
  horoball_level(neon)
endif()
