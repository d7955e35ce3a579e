// Runs a bound function synchronously, or as a job on libuv's pool that settles a promise. A job is canceled
// by its number, through an atomic flag that the kernels poll between tiles.
#pragma once

#include <napi.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../bind/launch.h"
#include "../core.h"
#include "bind.h"

namespace horoball::node {

class Job;

// The state of an environment (the main thread or a worker). Accessed only from its JavaScript thread.
struct State {
  std::unordered_map<std::uint32_t, Job*> jobs;
  Napi::Reference<Napi::Float64Array> call_buffer;  // the array that short calls read and write
  std::span<double> doubles;                        // its memory
};

inline State& state(Napi::Env env) { return *env.GetInstanceData<State>(); }

using Work = std::function<Status(const Run&)>;

// Runs `work`, and converts exceptions to a status.
template <class Callable>
Status run_work(const Callable& work, const Run& run) {
  try {
    return work(run);
  } catch (const std::bad_alloc&) {
    return {Code::memory, "could not allocate the memory that the call needs in addition to its arrays"};
  } catch (const std::exception& error) {
    Status status{Code::internal};
    std::snprintf(status.message, sizeof status.message, "%s", error.what());
    return status;
  }
}

// The check that a job runs on its worker thread before the work, because it reads whole lists. Returns whether they are
// valid.
using Holds = std::function<bool()>;

// A job and its promise. The work uses plain C++ only; the arrays that it reads and writes, or its copies of them, are kept
// alive until the promise is settled.
class Job : public Napi::AsyncWorker {
 public:
  static Napi::Value start(const Arguments& in, const bind::Launch& how, bind::Check<Holds> check,
                           Work work) {
    auto* job = allocating(in.env(), sizeof(Job),
                           [&] { return new Job(in, how, std::move(check), std::move(work)); });
    const Napi::Value promise = job->deferred_.Promise();
    job->Queue();
    return promise;
  }

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 protected:
  void Execute() override {
    is_valid_ = check_.holds();
    if (!is_valid_) return;
    Run run;
    run.threads = threads_;
    run.cancelled = &cancelled_;
    status_ = run_work(work_, run);
  }

  void OnOK() override {
    if (!is_valid_) {
      const auto message = std::string("expected ") + check_.expected;
      return deferred_.Reject(argument_error(Env(), message).Value());
    }
    if (status_.code != Code::ok) return deferred_.Reject(error_from(Env(), status_).Value());
    if (moved()) return deferred_.Reject(moved_error().Value());
    for (const KeptArray& each : arrays_) each.copy_back();
    deferred_.Resolve(Env().Undefined());
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Job(const Arguments& in, const bind::Launch& how, bind::Check<Holds> check, Work work)
      : Napi::AsyncWorker(in.env(), "horoball"),
        state_(state(in.env())),
        number_(how.job),
        threads_(how.threads),
        check_(std::move(check)),
        work_(std::move(work)),
        arrays_(in.keep_arrays()),
        deferred_(Napi::Promise::Deferred::New(in.env())) {
    state_.jobs[number_] = this;
  }

  ~Job() override { state_.jobs.erase(number_); }

  // Whether a buffer was transferred or resized while the job ran: the memory that the job has read or written is then no
  // longer the caller's.
  bool moved() const {
    return std::any_of(arrays_.begin(), arrays_.end(), [](const KeptArray& each) { return each.moved(); });
  }
  Napi::Error moved_error() const {
    const char* message = "a buffer was transferred or resized while a call was using it";
    return coded(Napi::TypeError::New(Env(), message), "ERR_HOROBALL_DETACHED");
  }

  State& state_;
  std::uint32_t number_;
  int threads_;
  bind::Check<Holds> check_;
  bool is_valid_ = true;
  Work work_;
  Status status_;
  std::atomic<bool> cancelled_ = false;
  const std::vector<KeptArray> arrays_;
  Napi::Promise::Deferred deferred_;
};

using bind::Launch;
using bind::launch_of;

// Runs the check, then `work`. Returns undefined, or a promise of undefined for a job.
template <class Check, class Callable>
Napi::Value launch(const Arguments& in, const Launch& how, const bind::Check<Check>& check, Callable&& work) {
  if (how.job != 0) return Job::start(in, how, {check.holds, check.expected}, std::forward<Callable>(work));
  in.require(check.holds(), check.expected);
  Run run;
  run.threads = how.threads;
  const Status status = run_work(work, run);
  if (status.code != Code::ok) throw error_from(in.env(), status);
  return in.env().Undefined();
}

// Rejects a call by throwing the error.
[[noreturn]] inline Napi::Value refuse(const Arguments& in, const Status& why) {
  throw error_from(in.env(), why);
}

// Returns the array that short calls read and write.
inline std::span<double> call_buffer_of(const Arguments& in) { return state(in.env()).doubles; }

}  // namespace horoball::node
