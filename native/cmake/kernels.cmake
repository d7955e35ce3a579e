# The families, compiled once per ISA level from one source. A level's objects have internal linkage only, so that
# the linker can't take an AVX-512 copy of a helper for the baseline's.
find_package(Threads REQUIRED)

add_library(horoball_kernels STATIC native/cpu/candidates.cc native/cpu/dispatch.cc native/cpu/parallel.cc
  native/cpu/row_cards.cc
  native/cpu/row_formula.cc native/cpu/scratch.cc)
target_include_directories(horoball_kernels PRIVATE native)
target_link_libraries(horoball_kernels PRIVATE horoball_warnings Threads::Threads)

set_source_files_properties(native/cpu/row_formula.cc PROPERTIES COMPILE_OPTIONS "-O3;-ffp-contract=off")

# Always optimised: a debug build of the bindings still wants kernels that end. Contraction stays off, so that
# compensated sums mean what they say: kernels ask for a fused multiply-add by name.
function(horoball_level name)
  add_library(horoball_${name} OBJECT native/cpu/isa.cc)
  target_include_directories(horoball_${name} PRIVATE native)
  target_compile_definitions(horoball_${name} PRIVATE HOROBALL_LEVEL=${name})
  # With a check at each access, -O3 takes the compiler half an hour.
  target_compile_options(horoball_${name} PRIVATE $<IF:$<BOOL:${HOROBALL_SANITIZE}>,-O1,-O3> -ffp-contract=off
    -fno-math-errno -fno-exceptions ${ARGN})
  target_link_libraries(horoball_${name} PRIVATE horoball_warnings)
  target_sources(horoball_kernels PRIVATE $<TARGET_OBJECTS:horoball_${name}>)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  horoball_level(baseline)
  horoball_level(avx2 -mavx2 -mfma)
  horoball_level(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma)
else()
  horoball_level(neon)
endif()
