#include "cpu/frame/pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cpu/frame/memory.h"

namespace horoball {
namespace {

constexpr int kMostThreads = 256;
constexpr std::chrono::seconds kIdle{10};
constexpr int kSpins = 2000;  // about 20 microseconds, enough for the next phase of a call to start

struct Job {
  Task task;
  void* context;
  std::int64_t count;
  int vacancies;                      // helpers that may still join
  int active = 0;                     // helpers at work
  int workers = 1;                    // worker numbers assigned; the caller is 0
  Job* following = nullptr;           // the next job in the pool's list
  std::atomic<std::int64_t> next{0};  // the next index to hand out

  void work(int worker) {
    for (;;) {
      const std::int64_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count) return;
      task(context, index, worker);
    }
  }
  bool open() const { return vacancies > 0 && next.load(std::memory_order_relaxed) < count; }
};

class Pool {
 public:
  void run(Job& job, int helpers) {
    {
      const std::lock_guard lock(mutex_);
      grow(helpers);
      job.following = jobs_;
      jobs_ = &job;
      version_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job.work(0);
    std::unique_lock lock(mutex_);
    remove(job);
    done_.wait(lock, [&] { return job.active == 0; });
  }

 private:
  // Threads are never joined: they own nothing, and the process may exit while they sleep.
  void grow(int helpers) {
    while (threads_ < helpers) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (...) {
        return;  // fewer threads, same result
      }
      ++threads_;
    }
  }

  Job* find_open() {
    Job* job = jobs_;
    while (job != nullptr && !job->open()) job = job->following;
    return job;
  }

  void remove(const Job& job) {
    Job** link = &jobs_;
    while (*link != &job) link = &(*link)->following;
    *link = job.following;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      Job* job = find_open();
      if (job == nullptr) {
        rest(lock);
        continue;
      }
      --job->vacancies;
      ++job->active;
      const int worker = job->workers++;
      lock.unlock();
      job->work(worker);
      lock.lock();
      if (--job->active == 0) done_.notify_all();
    }
  }

  // Spins briefly, then sleeps until a job is added. After 10 seconds, frees kept scratch memory.
  void rest(std::unique_lock<std::mutex>& lock) {
    const std::uint64_t seen = version_.load(std::memory_order_relaxed);
    lock.unlock();
    for (int i = 0; i < kSpins && version_.load(std::memory_order_acquire) == seen; ++i) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    lock.lock();
    const auto woken = [&] { return version_.load(std::memory_order_relaxed) != seen; };
    // The system's clock, because waiting on the steady one needs glibc 2.30.
    if (wake_.wait_until(lock, std::chrono::system_clock::now() + kIdle, woken)) return;
    lock.unlock();
    free_kept_scratch();
    lock.lock();
    wake_.wait(lock, woken);
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<std::uint64_t> version_{0};
  Job* jobs_ = nullptr;
  int threads_ = 0;
};

// Returns the pool of the process, which is never destroyed. A forked child replaces it, because it inherits the memory of
// the pool but no threads.
Pool*& pool() {
  static Pool* one = [] {
    pthread_atfork(nullptr, nullptr, [] { pool() = new Pool; });
    return new Pool;
  }();
  return one;
}

}  // namespace

int thread_count(int wanted) {
  if (wanted > 0) return std::min(wanted, kMostThreads);
  static const int machine = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::min(machine, kMostThreads);
}

void parallel(int threads, std::int64_t count, Task task, void* context) {
  const int helpers = static_cast<int>(std::min<std::int64_t>(threads, count)) - 1;
  Job job{task, context, count, std::max(helpers, 0)};
  if (helpers <= 0) {
    job.work(0);
  } else {
    pool()->run(job, helpers);
  }
}

}  // namespace horoball
