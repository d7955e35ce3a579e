// Makes system calls on files fail in tests; shim.ts preloads it into a process with LD_PRELOAD.
// HOROBALL_FAULT="OPERATION ERRNO FIRST COUNT PATH": calls FIRST to FIRST + COUNT - 1 (from 1) of an operation on files
// whose path contains PATH fail with this error; with ERRNO 0, a read or write transfers half of its bytes.
// HOROBALL_FAULT_LOG=FILE: writes a line "OPERATION PATH" for each call on such a file.
// HOROBALL_FAULT_CLOCK=SECONDS: the time of day jumps by this much, forward and back in turn, every 64 readings.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char operation[16], folder[4096];
static int error_number, log_file = -1;
static long first, count, jump;
static atomic_long calls, readings;

__attribute__((constructor)) static void begin(void) {
  const char* fault = getenv("HOROBALL_FAULT");
  if (fault != NULL) sscanf(fault, "%15s %d %ld %ld %4095s", operation, &error_number, &first, &count, folder);
  const char* log = getenv("HOROBALL_FAULT_LOG");
  if (log != NULL) log_file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  const char* clock = getenv("HOROBALL_FAULT_CLOCK");
  if (clock != NULL) jump = atol(clock);
}

// Logs this call if its file is watched. Returns whether it fails (1, sets errno), transfers half of its bytes (2) or is
// unchanged (0).
static int decide(const char* name, const char* path) {
  if (folder[0] == 0 || path == NULL || strstr(path, folder) == NULL) return 0;
  if (log_file >= 0) {
    char line[4200];
    const int length = snprintf(line, sizeof line, "%s %s\n", name, path);
    syscall(SYS_write, log_file, line, (size_t)length);
  }
  if (strcmp(name, operation) != 0) return 0;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  if (number < first || number >= first + count) return 0;
  errno = error_number;
  return error_number == 0 ? 2 : 1;
}

static int decide_file(const char* name, int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return decide(name, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                    \
  int name(const char* path, int flags, ...) {                                        \
    va_list rest;                                                                     \
    va_start(rest, flags);                                                            \
    const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;   \
    va_end(rest);                                                                     \
    const char* what = flags & (O_WRONLY | O_RDWR | O_CREAT) ? "create" : "open";     \
    return decide(what, path) == 1 ? -1 : REAL(name)(path, flags, mode);            \
  }
OPEN(open)
OPEN(open64)

#define TRANSFER(name, what, type, offset)                              \
  ssize_t name(int file, type data, size_t size, off_t at) {            \
    const int fate = decide_file(what, file);                           \
    if (fate == 1) return -1;                                           \
    return REAL(name)(file, data, fate == 2 ? (size + 1) / 2 : size, at); \
  }
TRANSFER(pread, "read", void*, at)
TRANSFER(pread64, "read", void*, at)
TRANSFER(pwrite, "write", const void*, at)
TRANSFER(pwrite64, "write", const void*, at)

ssize_t read(int file, void* data, size_t size) {
  const int fate = decide_file("read", file);
  return fate == 1 ? -1 : REAL(read)(file, data, fate == 2 ? (size + 1) / 2 : size);
}

ssize_t write(int file, const void* data, size_t size) {
  const int fate = decide_file("write", file);
  return fate == 1 ? -1 : REAL(write)(file, data, fate == 2 ? (size + 1) / 2 : size);
}

#define VECTOR(name, what)                                                              \
  ssize_t name(int file, const struct iovec* data, int parts, off_t at) {               \
    const int fate = decide_file(what, file);                                           \
    if (fate == 1) return -1;                                                           \
    const struct iovec half = {data[0].iov_base, (data[0].iov_len + 1) / 2};            \
    return fate == 2 ? REAL(name)(file, &half, 1, at) : REAL(name)(file, data, parts, at); \
  }
VECTOR(preadv, "read")
VECTOR(preadv64, "read")
VECTOR(pwritev, "write")
VECTOR(pwritev64, "write")

ssize_t writev(int file, const struct iovec* data, int parts) {
  const int fate = decide_file("write", file);
  if (fate == 1) return -1;
  const struct iovec half = {data[0].iov_base, (data[0].iov_len + 1) / 2};
  return fate == 2 ? REAL(writev)(file, &half, 1) : REAL(writev)(file, data, parts);
}

int fsync(int file) { return decide_file("sync", file) == 1 ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return decide_file("sync", file) == 1 ? -1 : REAL(fdatasync)(file); }
int ftruncate(int file, off_t size) { return decide_file("truncate", file) == 1 ? -1 : REAL(ftruncate)(file, size); }
int ftruncate64(int file, off_t size) { return decide_file("truncate", file) == 1 ? -1 : REAL(ftruncate64)(file, size); }
int rename(const char* from, const char* to) { return decide("rename", to) == 1 ? -1 : REAL(rename)(from, to); }
int link(const char* from, const char* to) { return decide("link", to) == 1 ? -1 : REAL(link)(from, to); }
int unlink(const char* path) { return decide("unlink", path) == 1 ? -1 : REAL(unlink)(path); }
int mkdir(const char* path, mode_t mode) { return decide("mkdir", path) == 1 ? -1 : REAL(mkdir)(path, mode); }

static long offset(void) { return atomic_fetch_add(&readings, 1) / 64 % 2 == 1 ? jump : 0; }

int clock_gettime(clockid_t id, struct timespec* time) {
  const int result = REAL(clock_gettime)(id, time);
  if (jump != 0 && id == CLOCK_REALTIME) time->tv_sec += offset();
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  const int result = REAL(gettimeofday)(time, zone);
  if (jump != 0) time->tv_sec += offset();
  return result;
}
