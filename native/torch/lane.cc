#include "lane.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

namespace horoball::train {
namespace {

// Returns an error message without the C++ stack trace, which libtorch appends from the second line on.
std::string first_line(const char* text) { return {text, std::strcspn(text, "\n")}; }

// Returns the code of an error of libtorch. If a CUDA device is out of memory, libtorch throws a separate class; errors of
// the CPU's allocator and of the driver are recognized by their text.
const char* code_of(const std::exception& error) {
  const std::string_view text = error.what();
  const auto says = [&](const char* words) { return text.find(words) != std::string_view::npos; };
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr || says("can't allocate memory"))
    return "ERR_HOROBALL_MEMORY";
  return says("CUDA error: ") || says("CUDA driver") ? "ERR_HOROBALL_DEVICE" : "ERR_HOROBALL_TORCH";
}

std::optional<Failure> attempt(const Call& call, const Work& work) {
  const auto failed = [&](const char* code, const std::string& what) {
    return Failure{code, std::string("[") + call.operation + "] " + what};
  };
  try {
    poll(call.cancel.get());
    work(call.cancel.get());
    return std::nullopt;
  } catch (const Cancelled& error) {
    return failed("ERR_HOROBALL_CANCELLED", error.what());
  } catch (const CodedError& error) {
    return failed(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return failed("ERR_HOROBALL_MEMORY", "out of memory");
  } catch (const std::exception& error) {
    return failed(code_of(error), first_line(error.what()));
  }
}

Napi::Value error_from(Napi::Env env, const Failure& failure) {
  return node::coded(Napi::Error::New(env, failure.message), failure.code).Value();
}

}  // namespace

Lane::Lane(Napi::Env env) : env_(env) {
  const auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  wake_ = Napi::ThreadSafeFunction::New(env, nothing, "horoball lane", 0, 1);
  wake_.Unref(env);
  // Hooks run in reverse order, so this one, registered after wake_ is created, runs before wake_ is freed. Releasing wake_
  // in the destructor of the instance data would hang at exit on Node 24.
  env.AddCleanupHook([this] { close(); });
  thread_ = std::thread([this] { serve(); });
}

Lane::~Lane() { close(); }

void Lane::post(Call call, Work work) {
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->work = std::move(work);
  queue(std::move(job));
}

void Lane::release(std::function<void()> work) {
  auto job = std::make_unique<Job>();
  job->releasing = std::move(work);
  queue(std::move(job));
}

Napi::Promise Lane::run(Call call, Work work, Answer answer) {
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->work = std::move(work);
  job->answer = std::move(answer);
  job->deferred = Napi::Promise::Deferred::New(env_);
  const auto promise = job->deferred->Promise();
  if (waiting_++ == 0) wake_.Ref(env_);
  queue(std::move(job));
  return promise;
}

void Lane::queue(JobPtr job) {
  std::future<void> executed;
  if (std::ranges::any_of(job->call.arrays, &node::KeptArray::can_be_lost))
    executed = job->executed.emplace().get_future();
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    queue_.push_back(std::move(job));
  }
  ready_.notify_one();
  if (executed.valid()) executed.wait();
}

void Lane::serve() {
  while (true) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (closing_) return;
    JobPtr job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    execute(*job);
    if (job->executed) job->executed->set_value();
    if (!job->returns()) continue;
    lock.lock();
    done_.push_back(std::move(job));
    lock.unlock();
    wake_.NonBlockingCall([this](Napi::Env env, Napi::Function) { finish_jobs(env); });
  }
}

void Lane::execute(Job& job) {
  if (job.releasing) {
    job.releasing();
    job.releasing = nullptr;
    return;
  }
  if (!failure_) failure_ = attempt(job.call, job.work);
  job.work = nullptr;  // destroys the captured objects here, on the lane
  if (job.deferred) job.failure = std::exchange(failure_, std::nullopt);
}

void Lane::finish_jobs(Napi::Env env) {
  std::deque<JobPtr> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  const Napi::HandleScope scope(env);
  for (const JobPtr& job : done) {
    if (!job->deferred) continue;
    if (--waiting_ == 0) wake_.Unref(env);
    if (job->failure) {
      job->deferred->Reject(error_from(env, *job->failure));
    } else {
      job->deferred->Resolve(job->answer(env));
    }
  }
}

// Destroys the references in dropped jobs while the environment still exists.
void Lane::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
  }
  ready_.notify_one();
  thread_.join();
  queue_.clear();
  done_.clear();
  wake_.Abort();
}

}  // namespace horoball::train
