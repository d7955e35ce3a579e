// For portable Linux builds only (HOROBALL_PORTABLE). Functions that the glibc of the build machine exports
// under a new symbol version are bound to the version that every glibc since 2.17 has. The linker's --wrap
// redirects all calls, including those from the static libstdc++, to the wrappers in this file.
#include <features.h>

#if defined(__GLIBC__)

#include <pthread.h>

#if defined(__x86_64__)
#define HOROBALL_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define HOROBALL_OLDEST "GLIBC_2.17"
#endif

#define HOROBALL_OLD(result, name, types)                               \
  extern "C" result horoball_old_##name types;                          \
  __asm__(".symver horoball_old_" #name "," #name "@" HOROBALL_OLDEST); \
  extern "C" result __wrap_##name types

// The new versions of these three omit only the SVID error handling (_LIB_VERSION and matherr).
HOROBALL_OLD(double, exp, (double x)) { return horoball_old_exp(x); }
HOROBALL_OLD(double, log, (double x)) { return horoball_old_log(x); }
HOROBALL_OLD(double, hypot, (double x, double y)) { return horoball_old_hypot(x, y); }

// These functions merely moved into libc from libdl and libpthread. On older systems Node itself loads those
// two libraries.
HOROBALL_OLD(void*, dlopen, (const char* file, int mode)) { return horoball_old_dlopen(file, mode); }
HOROBALL_OLD(void*, dlsym, (void* library, const char* name)) { return horoball_old_dlsym(library, name); }
HOROBALL_OLD(char*, dlerror, ()) { return horoball_old_dlerror(); }
HOROBALL_OLD(int, pthread_create,
             (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument)) {
  return horoball_old_pthread_create(thread, attributes, start, argument);
}
HOROBALL_OLD(int, pthread_detach, (pthread_t thread)) { return horoball_old_pthread_detach(thread); }
HOROBALL_OLD(int, pthread_once, (pthread_once_t * once, void (*routine)())) {
  return horoball_old_pthread_once(once, routine);
}
HOROBALL_OLD(int, __pthread_key_create, (pthread_key_t * key, void (*destructor)(void*))) {
  return horoball_old___pthread_key_create(key, destructor);
}

// A flag of glibc 2.32 and later: true while the process has a single thread, which lets shared_ptr avoid
// atomics. Here it is always false, because Node has other threads.
extern "C" __attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

#endif
