// The emulated threads: fibers, their barriers and the order in which they run.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"
#include "mma.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "CUDA emulator: %s (block %u of %u, thread %u)\n", what, blockIdx.x, gridDim.x,
               threadIdx.x);
  std::abort();
}

namespace {

constexpr std::size_t kStack = 256 << 10;
constexpr int kWarp = 32, kMostThreads = 1024, kMostShared = 8;

// ---- One fiber ----

#if defined(__x86_64__)
// Pushes the callee-saved registers, saves the stack pointer in *from, then switches to the stack pointer `to`.
extern "C" void horoball_emulator_switch(void** from, void* to);
asm(R"(
.text
.globl horoball_emulator_switch
.hidden horoball_emulator_switch
horoball_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#endif

enum class State { ready, at_block, at_warp, done };

void enter();

struct Fiber {
  std::unique_ptr<std::byte[]> stack{new std::byte[kStack]};
  State state = State::ready;
#if defined(__x86_64__)
  void *here = nullptr, *back = nullptr;
  void start() {
    auto top = reinterpret_cast<std::uintptr_t>(stack.get() + kStack) & ~std::uintptr_t{15};
    void** at = reinterpret_cast<void**>(top) - 2;  // as after a call, rsp is 8 past a multiple of 16
    *at = reinterpret_cast<void*>(enter);
    here = at - 6;
  }
  void resume() { horoball_emulator_switch(&back, here); }
  void leave() { horoball_emulator_switch(&here, back); }
#else
  ucontext_t here{}, back{};
  void start() {
    getcontext(&here);
    here.uc_stack.ss_sp = stack.get();
    here.uc_stack.ss_size = kStack;
    makecontext(&here, enter, 0);
  }
  void resume() { swapcontext(&back, &here); }
  void leave() { swapcontext(&here, &back); }
#endif
};

// ---- A block ----

std::vector<Fiber>& fibers() {
  static std::vector<Fiber> all;
  return all;
}
Fiber* current = nullptr;
void (*body)(void*) = nullptr;
void* context = nullptr;
std::uint64_t handed[kMostThreads];
float shared_numbers[kMostThreads][kMostShared];
bool votes[2];
unsigned generation = 0;

void enter() {
  body(context);
  current->state = State::done;
  current->leave();
  std::abort();
}

void wait(State state) {
  current->state = state;
  current->leave();
}

std::uint64_t random_state = [] {
  const char* seed = std::getenv("HOROBALL_EMULATOR_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}();
unsigned random_below(unsigned n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<unsigned>((random_state >> 33) % n);
}

// Whether all threads from `first` to `last` - 1 are in `state`. Fails if some are and all others have ended.
bool together(unsigned first, unsigned last, State state) {
  unsigned there = 0, done = 0;
  for (unsigned t = first; t < last; ++t) {
    there += fibers()[t].state == state;
    done += fibers()[t].state == State::done;
  }
  if (there > 0 && done > 0 && there + done == last - first) fail("a barrier that some threads never reach");
  return there == last - first;
}

void release(unsigned first, unsigned last) {
  for (unsigned t = first; t < last; ++t) fibers()[t].state = State::ready;
}

// Runs every ready thread once, starting at a random one in a random direction. Returns false if none was ready.
bool pass(unsigned count) {
  const unsigned start = random_below(count), step = random_below(2) == 0 ? 1 : count - 1;
  bool any = false;
  for (unsigned i = 0, t = start; i < count; ++i, t = (t + step) % count) {
    if (fibers()[t].state != State::ready) continue;
    any = true;
    threadIdx.x = t;
    current = &fibers()[t];
    current->resume();
  }
  return any;
}

void run_block(unsigned count) {
  for (unsigned t = 0; t < count; ++t) {
    fibers()[t].state = State::ready;
    fibers()[t].start();
  }
  votes[0] = votes[1] = false;
  for (;;) {
    const bool ran = pass(count);
    unsigned done = 0;
    for (unsigned t = 0; t < count; ++t) done += fibers()[t].state == State::done;
    if (done == count) return;
    bool released = false;
    for (unsigned first = 0; first < count; first += kWarp) {
      const unsigned last = first + kWarp < count ? first + kWarp : count;
      if (!together(first, last, State::at_warp)) continue;
      release(first, last);
      released = true;
    }
    if (together(0, count, State::at_block)) {
      ++generation;
      votes[generation & 1] = false;  // the votes of the previous generation may not have been read yet
      release(0, count);
      released = true;
    }
    if (!ran && !released) fail("threads that wait for each other at different barriers");
  }
}

std::mutex one_at_a_time;

}  // namespace

void run(dim3 grid, dim3 threads, void (*of)(void*), void* with) {
  const std::lock_guard lock(one_at_a_time);
  if (threads.x > kMostThreads || threads.y != 1 || threads.z != 1 || grid.y != 1 || grid.z != 1) {
    fail("a launch of a shape that the emulator does not support");
  }
  if (fibers().size() < threads.x) fibers().resize(threads.x);
  body = of;
  context = with;
  blockDim = threads;
  gridDim = grid;
  const unsigned start = random_below(grid.x);
  for (unsigned i = 0; i < grid.x; ++i) {
    blockIdx.x = (start + i) % grid.x;
    run_block(threads.x);
  }
}

void block_barrier() { wait(State::at_block); }
void warp_barrier() { wait(State::at_warp); }

bool block_any(bool mine) {
  const unsigned round = generation & 1;
  votes[round] |= mine;
  wait(State::at_block);
  return votes[round];
}

int lane() { return static_cast<int>(threadIdx.x % kWarp); }

std::uint64_t exchange(std::uint64_t mine, int from) {
  const unsigned me = threadIdx.x;
  handed[me] = mine;
  wait(State::at_warp);
  const std::uint64_t got = handed[me / kWarp * kWarp + static_cast<unsigned>(from)];
  wait(State::at_warp);
  return got;
}

void share(const float* mine, int count, float* all) {
  const unsigned first = threadIdx.x / kWarp * kWarp;
  std::memcpy(shared_numbers[threadIdx.x], mine, static_cast<std::size_t>(count) * sizeof(float));
  wait(State::at_warp);
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    std::memcpy(all + lane * static_cast<unsigned>(count), shared_numbers[first + lane],
                static_cast<std::size_t>(count) * sizeof(float));
  }
  wait(State::at_warp);
}

}  // namespace emulator
