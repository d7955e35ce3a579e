# horoball.wasm: the kernel families at ISA level simd128, single-threaded, with the C interface of native/wasm.
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)

file(GLOB wasm_sources CONFIGURE_DEPENDS native/cpu/*/*.cc native/image/*.cc native/wasm/*.cc)
list(REMOVE_ITEM wasm_sources ${CMAKE_CURRENT_SOURCE_DIR}/native/cpu/frame/pool.cc)
add_executable(wasm ${wasm_sources} native/cpu/isa.cc native/cuda/stub.cc)
set_target_properties(wasm PROPERTIES OUTPUT_NAME horoball SUFFIX ".wasm")
target_include_directories(wasm PRIVATE native)
target_compile_definitions(wasm PRIVATE HOROBALL_LEVEL=simd128)
# For reproducible builds, the binary contains no local paths.
target_compile_options(wasm PRIVATE -O3 -msimd128 -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti
  -fno-threadsafe-statics -ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=. -Wall -Wextra)
target_link_options(wasm PRIVATE -mexec-model=reactor -fno-exceptions LINKER:--strip-all LINKER:--gc-sections
  LINKER:--max-memory=4294967296 LINKER:-z,stack-size=1048576)
