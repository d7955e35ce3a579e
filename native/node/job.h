// How a bound function runs: at once, or as a job on libuv's pool that settles a promise. A job can be
// cancelled by its number through an atomic flag that the kernels poll between tiles.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core.h"
#include "bind.h"

namespace horoball::node {

class Job;

// What an environment (the main thread or a worker) owns. Touched only from its JavaScript thread.
struct State {
  std::unordered_map<std::uint32_t, Job*> jobs;
  Napi::Reference<Napi::Float64Array> standing;  // what short calls write to and read from
  std::span<double> doubles;                     // its memory
};

inline State& state(Napi::Env env) { return *env.GetInstanceData<State>(); }

inline Napi::Error error_from(Napi::Env env, const Status& status) {
  static constexpr const char* kCodes[] = {"", "ERR_HOROBALL_CANCELLED", "ERR_HOROBALL_MEMORY",
                                           "ERR_HOROBALL_DEVICE", "ERR_HOROBALL_UNSUPPORTED"};
  return coded(Napi::Error::New(env, status.message), kCodes[static_cast<int>(status.code)]);
}

using Work = std::function<Status(const Run&)>;

// One promise. The work sees plain C++ only; the arrays behind it are kept alive until it has settled.
class Job : public Napi::AsyncWorker {
 public:
  static Napi::Value start(const Arguments& in, std::uint32_t number, int threads, Work work) {
    auto* job = new Job(in, number, threads, std::move(work));
    const Napi::Value promise = job->deferred_.Promise();
    job->Queue();
    return promise;
  }

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 protected:
  void Execute() override {
    Run run;
    run.threads = threads_;
    run.cancelled = &cancelled_;
    status_ = work_(run);
  }

  void OnOK() override {
    if (status_.code != Code::ok) return deferred_.Reject(error_from(Env(), status_).Value());
    if (moved()) return deferred_.Reject(moved_error().Value());
    deferred_.Resolve(Env().Undefined());
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  struct Kept {
    Napi::ObjectReference array;
    const void* data;
  };

  Job(const Arguments& in, std::uint32_t number, int threads, Work work)
      : Napi::AsyncWorker(in.env(), "horoball"),
        state_(state(in.env())),
        number_(number),
        threads_(threads),
        work_(std::move(work)),
        deferred_(Napi::Promise::Deferred::New(in.env())) {
    for (const Held& each : in.held()) {
      kept_.push_back({Napi::Persistent(Napi::Object(in.env(), each.array)), each.data});
    }
    state_.jobs[number_] = this;
  }

  ~Job() override { state_.jobs.erase(number_); }

  // A buffer that was transferred or resized meanwhile: what the job has read or written is not the caller's.
  bool moved() const {
    for (const Kept& each : kept_) {
      void* data = nullptr;
      napi_get_typedarray_info(Env(), each.array.Value(), nullptr, nullptr, &data, nullptr, nullptr);
      if (data != each.data) return true;
    }
    return false;
  }
  Napi::Error moved_error() const {
    const char* message = "a buffer was transferred or resized while a call was using it";
    return coded(Napi::TypeError::New(Env(), message), "ERR_HOROBALL_DETACHED");
  }

  State& state_;
  std::uint32_t number_;
  int threads_;
  Work work_;
  Status status_;
  std::atomic<bool> cancelled_ = false;
  std::vector<Kept> kept_;
  Napi::Promise::Deferred deferred_;
};

// How a call runs: threads (0: all) and the job's number (0: at once, on this thread).
struct Way {
  int threads = 0;
  std::uint32_t job = 0;
};

// The last two arguments of most bound functions.
inline Way way_of(Arguments& in) {
  const auto threads = in.number<int>();
  return {threads, in.number<std::uint32_t>()};
}

// Runs `work`. Returns undefined or a promise of it.
template <class Callable>
Napi::Value launch(const Arguments& in, Way way, Callable&& work) {
  if (way.job != 0) return Job::start(in, way.job, way.threads, std::forward<Callable>(work));
  Run run;
  run.threads = way.threads;
  const Status status = work(run);
  if (status.code != Code::ok) throw error_from(in.env(), status);
  return in.env().Undefined();
}

}  // namespace horoball::node
