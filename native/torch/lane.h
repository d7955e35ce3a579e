// One native thread and its queue per environment. Everything that touches libtorch runs here, in the order
// in which JavaScript asked for it: libuv's pool stays free for files, and one OpenMP team serves all.
//
// A call that nobody waits for is posted; when it fails, what was posted after it is skipped and the next
// promise rejects with its error, under the name of the operation that failed. Then the lane goes on.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace horoball::train {

// Raised by an AbortSignal; looked at before a job begins and, in long ones, while it runs.
using Flag = std::atomic<bool>;
using Cancel = std::shared_ptr<Flag>;

class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "the operation was cancelled"; }
};

inline void poll(const Flag* cancel) {
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) throw Cancelled();
}

// An error that JavaScript callers may branch on.
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

// How a call is queued, besides its work.
struct Call {
  const char* operation;  // a literal, for error messages
  Cancel cancel = nullptr;
  std::vector<Napi::ObjectReference> held = {};  // arrays that the work reads or writes
};

class Lane {
 public:
  // From the environment's JavaScript thread, as all calls are. The environment's clean-up closes the lane.
  explicit Lane(Napi::Env env);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void post(Call call, Work work);
  // Runs even behind a failure: releases what earlier work may still use. Must not throw.
  void release(std::function<void()> work);
  // A promise of `answer`, which runs on the JavaScript thread once the work is done.
  Napi::Promise run(Call call, Work work, Answer answer);
  // Waits for the operation that is running and drops the rest; calls after it do nothing.
  void close();

 private:
  struct Job {
    Call call;
    Work work;
    std::function<void()> releasing;
    Answer answer;
    std::optional<Napi::Promise::Deferred> deferred;
    std::optional<Failure> failure;

    // Whether the job has something that only the JavaScript thread may settle or destroy.
    bool returns() const { return deferred.has_value() || !call.held.empty(); }
  };
  using JobPtr = std::unique_ptr<Job>;

  void queue(JobPtr job);
  void serve();  // the lane's thread
  void execute(Job& job);
  void settle(Napi::Env env);  // the JavaScript thread

  Napi::Env env_;
  Napi::ThreadSafeFunction wake_;
  std::size_t waiting_ = 0;  // promises not settled; they keep the process alive

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<JobPtr> queue_;
  std::deque<JobPtr> done_;
  bool closing_ = false;

  std::optional<Failure> failure_;  // the lane's thread only
  std::thread thread_;
};

}  // namespace horoball::train
