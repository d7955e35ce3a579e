# A core.node that runs on machines other than this one: the C++ library is inside, nothing of it is exported, and on
# Linux the symbols asked for are those of the oldest glibc (native/node/glibc.cc). libgcc_s stays shared: Node has it.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_sources(core PRIVATE native/node/glibc.cc)
  target_link_options(core PRIVATE -static-libstdc++ -s -Wl,--gc-sections -Wl,--exclude-libs,ALL)
  foreach(name exp hypot dlopen dlerror pthread_create pthread_detach pthread_once __pthread_key_create)
    target_link_options(core PRIVATE -Wl,--wrap=${name})
  endforeach()
elseif(APPLE)
  target_link_options(core PRIVATE -Wl,-dead_strip -Wl,-x)
elseif(MINGW)
  target_link_options(core PRIVATE -static -s -Wl,--gc-sections)
endif()
