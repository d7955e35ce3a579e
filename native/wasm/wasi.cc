// Replaces the functions that the C library would import from WASI, so that an instance needs no such imports. The core
// opens no files, so calls on files fail with ENOTSUP.
#include <cstdint>

namespace {

constexpr std::int32_t kNotSupported = 58;  // WASI's ENOTSUP

}  // namespace

extern "C" {

std::int32_t __imported_wasi_snapshot_preview1_fd_close(std::int32_t) { return kNotSupported; }
std::int32_t __imported_wasi_snapshot_preview1_fd_seek(std::int32_t, std::int64_t, std::int32_t,
                                                       std::int32_t) {
  return kNotSupported;
}
std::int32_t __imported_wasi_snapshot_preview1_fd_write(std::int32_t, std::int32_t, std::int32_t,
                                                        std::int32_t) {
  return kNotSupported;
}
std::int32_t __imported_wasi_snapshot_preview1_sched_yield() { return 0; }

}  // extern "C"
