// Loaded into a process before its C library: from SIGUSR2 on, no tensor of 4 kB or more can be allocated.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t starved = 0;

static void starve(int signal) { starved = signal != 0; }

__attribute__((constructor)) static void listen(void) { signal(SIGUSR2, starve); }

int posix_memalign(void** out, size_t alignment, size_t bytes) {
  static int (*next)(void**, size_t, size_t) = NULL;
  if (starved && bytes >= 4096) return ENOMEM;
  if (next == NULL) next = (int (*)(void**, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  return next(out, alignment, bytes);
}
