// One native thread with a queue per environment. All computations of libtorch run here, in the order in which
// JavaScript requested them. This keeps libuv's pool free for files, and a single OpenMP team serves all calls.
//
// A call without a promise is posted. If it fails, calls posted after it are skipped, and the next promise
// rejects with its error, which names the operation that failed. Then the lane continues.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../node/bind.h"

namespace horoball::train {

// Set by an AbortSignal; checked before a job begins and, in long jobs, while it runs.
using Flag = std::atomic<bool>;
using Cancel = std::shared_ptr<Flag>;

class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "the operation was canceled"; }
};

inline void poll(const Flag* cancel) {
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) throw Cancelled();
}

// An error with a code that JavaScript callers may branch on.
class CodedError : public std::runtime_error {
 public:
  CodedError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

struct Failure {
  const char* code;
  std::string message;
};

using Work = std::function<void(const Flag* cancel)>;
using Answer = std::function<Napi::Value(Napi::Env)>;

// A queued call without its work.
struct Call {
  const char* operation;  // a literal, named in errors
  Cancel cancel = nullptr;
  std::vector<node::KeptArray> arrays = {};  // arrays that the work reads or writes
};

class Lane {
 public:
  // Call all members on the environment's JavaScript thread. The environment's clean-up hook closes the
  // lane.
  explicit Lane(Napi::Env env);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void post(Call call, Work work);
  // Queues work that releases objects, which earlier work may still use. It runs even after a failure and must not
  // throw.
  void release(std::function<void()> work);
  // Returns a promise of the value of `answer`, which runs on the JavaScript thread once the work is done.
  Napi::Promise run(Call call, Work work, Answer answer);
  // Waits for the running operation and drops the rest. Later calls do nothing.
  void close();

 private:
  struct Job {
    Call call;
    Work work;
    std::function<void()> releasing;
    Answer answer;
    std::optional<Napi::Promise::Deferred> deferred;
    std::optional<Failure> failure;
    std::optional<std::promise<void>> executed;  // if queue() waits for it

    // Whether the job has a promise or references, which must be settled or destroyed on the JavaScript
    // thread.
    bool returns() const { return deferred.has_value() || !call.arrays.empty(); }
  };
  using JobPtr = std::unique_ptr<Job>;

  // Adds the job to the queue, and waits for it if the memory of its arrays cannot be kept alive.
  void queue(JobPtr job);
  void serve();  // runs on the lane's thread
  void execute(Job& job);
  void finish_jobs(Napi::Env env);  // runs on the JavaScript thread

  Napi::Env env_;
  Napi::ThreadSafeFunction wake_;
  std::size_t waiting_ = 0;  // unsettled promises, which keep the process alive

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<JobPtr> queue_;
  std::deque<JobPtr> done_;
  bool closing_ = false;

  std::optional<Failure> failure_;  // used on the lane's thread only
  std::thread thread_;
};

}  // namespace horoball::train
