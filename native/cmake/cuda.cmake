# Defines two libraries. horoball_cuda is the CUDA backend: native/cuda if there is a CUDA compiler, otherwise only stub.cc.
# horoball_emulated compiles native/cuda as plain C++ against native/test/emulator, so that kernels can be tested without
# a GPU.
set(HOROBALL_CUDA AUTO CACHE STRING "CUDA kernels: AUTO (on if nvcc 12.4 or later is found), ON or OFF")
set_property(CACHE HOROBALL_CUDA PROPERTY STRINGS AUTO ON OFF)
set(HOROBALL_CUDA_ARCHITECTURES AUTO CACHE STRING
  "What to compile for: AUTO (this machine's GPU, or portable code where there is none), RELEASE, or a list")

set(horoball_cuda_oldest 12.4)
file(GLOB horoball_cuda_sources CONFIGURE_DEPENDS native/cuda/*.cu native/cuda/*/*.cu)

# Machine code for data-center Ampere, Ada and Hopper, and PTX that drivers compile for later GPUs.
set(horoball_release 80-real 89-real 90-real 90-virtual)

# Sets `result` to the architectures to compile for. Generating machine code takes most of the time of a build, so AUTO
# generates it only for the GPUs of this machine. Without a GPU, it generates PTX, which compiles faster and runs on any
# supported GPU.
function(horoball_cuda_architectures result)
  if(HOROBALL_CUDA_ARCHITECTURES STREQUAL "RELEASE")
    set(${result} ${horoball_release} PARENT_SCOPE)
  elseif(NOT HOROBALL_CUDA_ARCHITECTURES STREQUAL "AUTO")
    set(${result} ${HOROBALL_CUDA_ARCHITECTURES} PARENT_SCOPE)
  else()
    set(found)
    execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE capabilities RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed)
      string(REGEX MATCHALL "[0-9]+\\.[0-9]+" found "${capabilities}")
      list(REMOVE_DUPLICATES found)
      list(TRANSFORM found REPLACE "\\." "")
      list(TRANSFORM found APPEND "-real")
    endif()
    if(NOT found)
      set(found 80-virtual)
    endif()
    set(${result} ${found} PARENT_SCOPE)
  endif()
endfunction()

set(horoball_has_cuda OFF)
if(HOROBALL_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    horoball_cuda_architectures(CMAKE_CUDA_ARCHITECTURES) # before any target is created
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # some versions of CMake do not know the flag, although the compiler supports it
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL ${horoball_cuda_oldest})
      set(horoball_has_cuda ON)
    endif()
  endif()
  if(NOT horoball_has_cuda AND NOT HOROBALL_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "HOROBALL_CUDA=${HOROBALL_CUDA}: no CUDA compiler of version ${horoball_cuda_oldest} or later")
  endif()
endif()

if(horoball_has_cuda)
  message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, for ${CMAKE_CUDA_ARCHITECTURES}")
  add_library(horoball_cuda STATIC ${horoball_cuda_sources})
  # The runtime is linked statically, so that the addon loads without a CUDA installation. Contraction is off, as on the CPU:
  # kernels call fused multiply-adds explicitly.
  set_target_properties(horoball_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static)
  target_compile_options(horoball_cuda PRIVATE -O3 --fmad=false --expt-relaxed-constexpr)
else()
  message(STATUS "CUDA kernels: none")
  add_library(horoball_cuda STATIC native/cuda/stub.cc)
endif()
target_include_directories(horoball_cuda PRIVATE native)

file(GLOB horoball_emulator CONFIGURE_DEPENDS native/test/emulator/*.cc)
set(horoball_emulated_sources)
foreach(source ${horoball_cuda_sources})
  # Each kernel file is compiled through a wrapper, because CMake allows only one language per source file and directory.
  file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR}/native ${source})
  string(REPLACE "/" "_" wrapper ${name})
  set(wrapper ${CMAKE_BINARY_DIR}/emulated/${wrapper}.cc)
  if(NOT EXISTS ${wrapper})
    file(WRITE ${wrapper} "#include \"${name}\"\n")
  endif()
  list(APPEND horoball_emulated_sources ${wrapper})
endforeach()
add_library(horoball_emulated STATIC EXCLUDE_FROM_ALL ${horoball_emulated_sources} ${horoball_emulator})
target_include_directories(horoball_emulated PRIVATE native native/test/emulator)
target_compile_options(horoball_emulated PRIVATE -O2 -ffp-contract=off -Wno-unknown-pragmas)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  target_compile_options(horoball_emulated PRIVATE -mavx2 -mfma) # a fused multiply-add as one instruction
endif()
target_link_libraries(horoball_emulated PRIVATE horoball_warnings)

# `cmake --build build --target gpu_bench`: measures the functions of the CUDA table on the device. See bench/gpu.ts.
if(horoball_has_cuda AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/native/test/gpu_bench.cu)
  add_executable(gpu_bench EXCLUDE_FROM_ALL native/test/gpu_bench.cu)
  set_target_properties(gpu_bench PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(gpu_bench PRIVATE native)
  target_link_libraries(gpu_bench PRIVATE horoball_cuda horoball_kernels)
endif()
