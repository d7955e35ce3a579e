# Makes core.node run on other machines: links the C++ library statically, with hidden symbols (except on macOS), and with
# glibc requires only symbols that the oldest supported version has (native/node/glibc.cc). With glibc, libgcc_s stays
# shared, because Node loads it too.
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -dumpmachine OUTPUT_VARIABLE machine OUTPUT_STRIP_TRAILING_WHITESPACE)
if(machine MATCHES "musl")
  target_link_options(core PRIVATE -static-libstdc++ -static-libgcc -s -Wl,--gc-sections -Wl,--exclude-libs,ALL)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_sources(core PRIVATE native/node/glibc.cc)
  target_link_options(core PRIVATE -static-libstdc++ -s -Wl,--gc-sections -Wl,--exclude-libs,ALL)
  foreach(name exp hypot log dlopen dlerror dlsym pthread_create pthread_detach pthread_once __pthread_key_create)
    target_link_options(core PRIVATE -Wl,--wrap=${name})
  endforeach()
elseif(APPLE)
  target_link_options(core PRIVATE -Wl,-dead_strip -Wl,-x)
elseif(MINGW)
  target_link_options(core PRIVATE -static -s -Wl,--gc-sections)
endif()
