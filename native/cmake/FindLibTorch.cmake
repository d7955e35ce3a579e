# Finds libtorch without the CMake package that it ships: for a CUDA build, that package requires a full CUDA toolkit,
# which this project does not need.
#
#   in   LibTorch_ROOT or the environment variable LIBTORCH: a folder with lib/ and include/ (an unpacked archive, or
#        the torch folder of a wheel); without them, the default paths of CMake are searched
#   out  LibTorch_FOUND, LibTorch_VERSION, target LibTorch::LibTorch
set(_libtorch_hints ${LibTorch_ROOT} $ENV{LIBTORCH})
if(_libtorch_hints)
  set(_libtorch_only NO_DEFAULT_PATH)
endif()

find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
  HINTS ${_libtorch_hints} PATH_SUFFIXES include ${_libtorch_only})
foreach(_name c10 torch_cpu torch c10_cuda torch_cuda)
  find_library(LibTorch_${_name}_LIBRARY ${_name}
    HINTS ${_libtorch_hints} PATH_SUFFIXES lib ${_libtorch_only})
  mark_as_advanced(LibTorch_${_name}_LIBRARY)
endforeach()
mark_as_advanced(LibTorch_INCLUDE_DIR)

# The header that defines the version differs between releases of libtorch.
if(LibTorch_INCLUDE_DIR)
  foreach(_header torch/csrc/api/include/torch/version.h torch/headeronly/version.h)
    if(NOT EXISTS "${LibTorch_INCLUDE_DIR}/${_header}")
      continue()
    endif()
    set(_parts)
    foreach(_part MAJOR MINOR PATCH)
      file(STRINGS "${LibTorch_INCLUDE_DIR}/${_header}" _line REGEX "define TORCH_VERSION_${_part} +[0-9]+")
      if(_line MATCHES "([0-9]+)")
        list(APPEND _parts ${CMAKE_MATCH_1})
      endif()
    endforeach()
    list(LENGTH _parts _count)
    if(_count EQUAL 3)
      string(REPLACE ";" "." LibTorch_VERSION "${_parts}")
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_torch_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  set(_libraries)
  foreach(_name c10 torch_cpu torch c10_cuda torch_cuda)
    if(LibTorch_${_name}_LIBRARY)
      list(APPEND _libraries ${LibTorch_${_name}_LIBRARY})
    endif()
  endforeach()
  # --no-as-needed keeps libraries from which no symbol is used, such as those of CUDA. The linker would drop them.
  target_link_libraries(LibTorch::LibTorch INTERFACE
    $<$<PLATFORM_ID:Linux>:-Wl,--push-state,--no-as-needed> ${_libraries} $<$<PLATFORM_ID:Linux>:-Wl,--pop-state>)
endif()
