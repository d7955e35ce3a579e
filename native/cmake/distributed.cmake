# Detects whether this libtorch supports distributed training, which requires version 2.13 or later with Gloo. CUDA devices
# also require NCCL, its header and the CUDA headers, which come from the wheels next to torch or from the system.
#
#   out  horoball_group_sources, and horoball_group(target), which adds the include directories and definitions of these
#        sources
set(horoball_group_sources group_stub.cc)
if(LibTorch_VERSION VERSION_GREATER_EQUAL 2.13
   AND EXISTS "${LibTorch_INCLUDE_DIR}/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp")
  file(STRINGS ${LibTorch_torch_cpu_LIBRARY} _gloo LIMIT_COUNT 1 REGEX "N4c10d16ProcessGroupGlooC1")
  if(_gloo)
    set(horoball_group_sources group.cc heartbeat.cc)
  endif()
endif()

if(LibTorch_torch_cuda_LIBRARY)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${LibTorch_INCLUDE_DIR}/../../nvidia/nccl/include
    ${LibTorch_INCLUDE_DIR}/../../nvidia/cu13/include)
  # c10d's NCCL header includes headers of the CUDA runtime, which only a toolkit contains completely, and of cuSPARSE,
  # cuBLAS and cuSOLVER, which not every toolkit contains.
  find_path(CUDA_RUNTIME_INCLUDE_DIR crt/host_config.h HINTS /usr/local/cuda/include
    ${LibTorch_INCLUDE_DIR}/../../nvidia/cu13/include)
  find_path(CUDA_LIBRARIES_INCLUDE_DIR cusparse.h HINTS /usr/local/cuda/include
    ${LibTorch_INCLUDE_DIR}/../../nvidia/cu13/include)
  mark_as_advanced(NCCL_INCLUDE_DIR CUDA_RUNTIME_INCLUDE_DIR CUDA_LIBRARIES_INCLUDE_DIR)
  set(horoball_nccl ON)
  foreach(_header NCCL_INCLUDE_DIR CUDA_RUNTIME_INCLUDE_DIR CUDA_LIBRARIES_INCLUDE_DIR)
    if(NOT ${_header})
      message(STATUS "${_header} not found: groups of CUDA devices are not supported")
      set(horoball_nccl OFF)
    endif()
  endforeach()
endif()

function(horoball_group target)
  if("group_stub.cc" IN_LIST horoball_group_sources)
    message(STATUS "libtorch ${LibTorch_VERSION} without Gloo: training with one process only")
    return()
  endif()
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/abi)
  target_compile_definitions(${target} PRIVATE USE_C10D_GLOO)
  if(horoball_nccl)
    target_include_directories(${target} SYSTEM PRIVATE ${NCCL_INCLUDE_DIR} ${CUDA_RUNTIME_INCLUDE_DIR}
      ${CUDA_LIBRARIES_INCLUDE_DIR})
    target_compile_definitions(${target} PRIVATE HOROBALL_NCCL USE_C10D_NCCL)
  endif()
endfunction()
