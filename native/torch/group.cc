#include "group.h"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef HOROBALL_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "heartbeat.h"

namespace horoball::train {
namespace {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
using BackendPtr = c10::intrusive_ptr<c10d::Backend>;
using WorkPtr = c10::intrusive_ptr<c10d::Work>;

constexpr std::chrono::milliseconds kPoll{50};

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

CodedError rank_error(const std::string& why) { return {"ERR_HOROBALL_RANK", why}; }

StorePtr open_store(const GroupConfig& config, bool serves, double seconds) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(config.port);
  options.isServer = serves;
  options.numWorkers = static_cast<std::size_t>(config.size);
  options.waitWorkers = false;
  options.timeout = milliseconds(seconds);
  options.useLibUV = false;  // Node's own libuv is in this process
  try {
    return c10::make_intrusive<c10d::PrefixStore>(config.prefix,
                                                  c10::make_intrusive<c10d::TCPStore>(config.host, options));
  } catch (const std::exception& error) {
    const std::string place = config.host + ":" + std::to_string(config.port), what = error.what();
    const std::string why = what.substr(0, what.find('\n'));
    const std::string server =
        config.launched ? "the rendezvous server of the launcher" : "the rendezvous server of rank 0";
    const std::string expected =
        serves ? "a free address for " + server + ", got " : server + " to answer at ";
    const char* fix = serves ? "). Choose another MASTER_PORT" : "). Check MASTER_ADDR and MASTER_PORT";
    throw CodedError("ERR_HOROBALL_RENDEZVOUS", "expected " + expected + place + " (" + why + fix);
  }
}

// Returns a device with the address at which other ranks reach this one: the address of `config.interface` if given, the
// loopback address if the store has one, or otherwise the address of the host name.
std::shared_ptr<gloo::transport::Device> gloo_device(const GroupConfig& config) {
  using c10d::ProcessGroupGloo;
  if (!config.interface.empty()) return ProcessGroupGloo::createDeviceForInterface(config.interface);
  if (config.host == "localhost" || config.host.starts_with("127."))
    return ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  return ProcessGroupGloo::createDefaultDevice();
}

BackendPtr gloo_group(const GroupConfig& config, const StorePtr& store) {
  auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(config.timeout));
  options->devices.push_back(gloo_device(config));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                                     config.rank, config.size, options);
}

BackendPtr nccl_group([[maybe_unused]] const GroupConfig& config, [[maybe_unused]] const StorePtr& store) {
#ifdef HOROBALL_NCCL
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = milliseconds(config.timeout);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store),
                                                     config.rank, config.size, options);
#else
  throw CodedError(
      "ERR_HOROBALL_NO_GROUP",
      "expected a training addon with NCCL to train with several processes on CUDA devices, got one without. "
      "Install torch with CUDA and the header nccl.h, then run `LIBTORCH_USE_PYTORCH=1 npx "
      "horoball setup --force`");
#endif
}

// Set by c10d's threads once the future of a collective completes.
struct Ending {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;

  void end() {
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kPoll, [this] { return ended; });
  }
};

}  // namespace

struct Group::State {
  Heartbeat heartbeat;
  GroupConfig config;
  StorePtr store;
  BackendPtr gloo, nccl;
  std::atomic<bool> broken = false;  // a collective that never ends may be in flight

  // Returns the backend for the tensor's device. NCCL is set up for the first tensor on a CUDA device, which occurs at the
  // same point of the run on every rank.
  c10d::Backend& backend(const at::Tensor& values) {
    if (!values.is_cuda()) return *gloo;
    if (nccl == nullptr) nccl = nccl_group(config, store);
    return *nccl;
  }
  void arrive(const Flag* cancel);
  void check();
  void wait(const WorkPtr& work);
};

Group::Group() : state_(std::make_unique<State>()) {}

// Leaks a broken group: c10d's destructors would wait for its collectives in flight, which may never end.
Group::~Group() {
  state_->heartbeat.close();
  if (!state_->broken) return;
  for (auto* each : {&state_->gloo, &state_->nccl}) static_cast<void>(each->release());
  static_cast<void>(state_->store.release());
}

void Group::join(const GroupConfig& config, const Flag* cancel) {
  State& state = *state_;
  state.config = config;
  const bool serves = config.rank == 0 && !config.launched;
  state.store = open_store(config, serves, config.join_seconds);
  state.arrive(cancel);
  const StorePtr reports = open_store(config, false, config.patience);
  state.heartbeat.start(reports, config.rank, config.size, config.patience, config.launched);
  try {
    state.gloo = gloo_group(config, state.store);
  } catch (const CodedError&) {
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    const auto failure = state.heartbeat.failure();
    throw CodedError("ERR_HOROBALL_RENDEZVOUS",
                     failure
                         ? *failure
                         : "expected each rank to reach all others, got: " + what.substr(0, what.find('\n')) +
                               ". Name the network interface with GLOO_SOCKET_IFNAME");
  }
}

// Waits until every rank has reached the store.
void Group::State::arrive(const Flag* cancel) {
  const auto key = [](int rank) { return "arrived/" + std::to_string(rank); };
  store->set(key(config.rank), std::string("1"));
  const auto end = std::chrono::steady_clock::now() + milliseconds(config.join_seconds);
  for (int rank = 0; rank < config.size; ++rank) {
    while (!store->check({key(rank)})) {
      poll(cancel);
      if (std::chrono::steady_clock::now() > end)
        throw CodedError("ERR_HOROBALL_RENDEZVOUS", "expected " + std::to_string(config.size) +
                                                        " ranks to join, but rank " + std::to_string(rank) +
                                                        " did not. Check the log of that rank");
      std::this_thread::sleep_for(kPoll);
    }
  }
}

void Group::State::check() {
  if (gloo == nullptr) throw CodedError("ERR_HOROBALL_NO_GROUP", "expected a group that has been joined");
  const auto failure = heartbeat.failure();
  if (!failure) return;
  broken = true;
  throw rank_error(*failure);
}

// Waits for a collective. With Gloo, blocks the host until it has ended, and throws as soon as a rank is known to have
// failed. With NCCL, the future completes when the work is queued, and synchronize() makes the current stream wait for it.
void Group::State::wait(const WorkPtr& work) {
  const auto future = work->getFuture();
  const auto ending = std::make_shared<Ending>();
  future->addCallback([ending](c10::ivalue::Future&) { ending->end(); });
  while (!ending->wait()) check();
  if (!future->hasError()) {
    work->synchronize();
    return;
  }
  broken = true;
  const std::string what = future->tryRetrieveErrorMessage();
  throw rank_error(
      heartbeat.explained("a rank failed: " + what.substr(0, what.find('\n')) + ". " + kResumeAdvice));
}

int Group::rank() const { return state_->config.rank; }
int Group::size() const { return state_->config.size; }

std::function<void()> Group::start_sum(const at::Tensor& values) {
  state_->check();
  std::vector<at::Tensor> list{values};
  auto work = state_->backend(values).allreduce(list);
  return [state = state_.get(), work] { state->wait(work); };
}

at::Tensor Group::gather(const at::Tensor& own) {
  state_->check();
  auto shape = own.sizes().vec();
  shape[0] *= size();
  at::Tensor all = at::empty(shape, own.options()), input = own.contiguous();
  state_->wait(state_->backend(own)._allgather_base(all, input));
  return all;
}

void Group::broadcast(at::Tensor values) {
  state_->check();
  std::vector<at::Tensor> list{std::move(values)};
  state_->wait(state_->backend(list.front()).broadcast(list));
}

std::string Group::share(const std::string& key, const std::string& text) {
  state_->check();
  const std::string name = "share/" + key;
  if (rank() == 0) {
    state_->store->set(name, text);
    return text;
  }
  while (!state_->store->check({name})) {
    state_->check();
    std::this_thread::sleep_for(kPoll);
  }
  return state_->store->get_to_str(name);
}

void Group::at(const std::string& where) { state_->heartbeat.at(where); }
void Group::fail(const std::string& message) {
  state_->broken = true;
  state_->heartbeat.fail(message);
}
void Group::close() { state_->heartbeat.close(); }

}  // namespace horoball::train
