#include "heartbeat.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace horoball::train {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kInterval{0.5};
// Once a collective has failed, a rank counts as ended after this many seconds without a report.
constexpr double kPatienceWithBroken = 3;
constexpr Seconds kClosing{10};
// How long rank 0 keeps the store open, so that the other ranks can read the verdict: which rank failed.
constexpr Seconds kVerdictTime{3};
const std::string kVerdict = "watch/verdict";
// A rank is in this phase until it calls `at`; lib/train/train.ts uses the same name. A failure in it has not interrupted
// any training, so there is nothing to resume.
const std::string kStartup = "the startup phase";

std::string report_key(int rank) { return "watch/" + std::to_string(rank); }

enum class Condition : char { running = 'r', broken = 'b', failed = 'f', closed = 'c' };

// The last report of a rank, which has the form "<number> <condition> <phase>" in the store.
struct Report {
  std::string text;
  Condition condition = Condition::running;
  std::string where;
};

// Returns the message for a rank that reported an error. `where`: its phase and the error.
std::string failed_message(const std::string& name, const std::string& where) {
  const std::string message = name + " failed during " + where;
  if (where.starts_with(kStartup)) return message;
  return message + (message.ends_with('.') ? "" : ".") +
         " Correct the cause, then resume the run from its last checkpoint, if it has one.";
}

// Returns the message for a rank that sends no more reports. `how`: how this was noticed.
std::string ended_message(const std::string& name, const std::string& where, const std::string& how) {
  const char* advice = where.starts_with(kStartup) ? "Check the log of that rank." : kResumeAdvice;
  return name + " ended or stopped responding during " + where + " (" + how + "). " + advice;
}

Report parsed(const std::vector<std::uint8_t>& bytes) {
  Report report;
  report.text.assign(bytes.begin(), bytes.end());
  const auto space = report.text.find(' ');
  if (space == std::string::npos || space + 1 >= report.text.size()) return report;
  report.condition = static_cast<Condition>(report.text[space + 1]);
  if (space + 3 <= report.text.size()) report.where = report.text.substr(space + 3);
  return report;
}

struct Peer {
  Report last;
  Clock::time_point changed = Clock::now();
};

}  // namespace

struct Heartbeat::State {
  // Set before the thread starts; then changed only by the thread.
  c10::intrusive_ptr<c10d::Store> store;
  int rank = 0, size = 1;
  double patience = 20;
  bool launched = false;
  std::vector<Peer> peers;
  std::int64_t count = 0;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string where = kStartup;
  Condition condition = Condition::running;
  std::optional<std::string> failure;
  std::string first_where = kStartup;            // of rank 0
  Clock::time_point last_answer = Clock::now();  // from the store
  Condition reported = Condition::running;       // the condition that is in the store
  bool report_now = false;
  bool stopping = false, ended = false, all_closed = false;

  void report_soon(std::unique_lock<std::mutex>& lock, Condition wanted);

  void run();
  void report();
  void read_reports();
  void read_report(int other, const std::vector<std::uint8_t>& bytes, double limit);
  void announce(const std::string& sentence);
  void lose_store();
  std::string lost_store_message() const;
};

void Heartbeat::State::run() {
  bool lost = false;
  while (!lost) {
    try {
      report();
      read_reports();
    } catch (const std::exception&) {
      lose_store();
      lost = true;
    }
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kInterval, [this] { return stopping || report_now; });
    if (stopping) break;
    report_now = false;
  }
  const std::lock_guard lock(mutex);
  ended = true;
  changed.notify_all();
}

void Heartbeat::State::report() {
  std::string text;
  Condition now;
  {
    const std::lock_guard lock(mutex);
    now = condition;
    text = std::to_string(++count) + ' ' + static_cast<char>(now) + ' ' + where;
  }
  store->set(report_key(rank), text);
  const std::lock_guard lock(mutex);
  reported = now;
  changed.notify_all();
}

void Heartbeat::State::report_soon(std::unique_lock<std::mutex>& lock, Condition wanted) {
  condition = wanted;
  report_now = true;
  changed.notify_all();
  changed.wait_for(lock, Seconds{2}, [&] { return reported == wanted || ended; });
}

// On rank 0, reads every report; on the other ranks, only rank 0's report and the verdict. The load on the store is
// therefore linear in the number of ranks, not quadratic.
void Heartbeat::State::read_reports() {
  std::vector<std::string> keys;
  for (int other = 0; other < (rank == 0 ? size : 1); ++other) keys.push_back(report_key(other));
  keys.push_back(kVerdict);
  const auto values = store->multiGet(keys);
  const std::string verdict(values.back().begin(), values.back().end());
  if (rank != 0 && !verdict.empty()) announce(verdict);
  double limit = patience;
  bool closed = true;
  {
    const std::lock_guard lock(mutex);
    if (condition == Condition::broken) limit = std::min(limit, kPatienceWithBroken);
  }
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const Report found = parsed(values[i]);
    if (found.condition == Condition::broken) limit = std::min(limit, kPatienceWithBroken);
    if (static_cast<int>(i) != rank && found.condition != Condition::closed) closed = false;
  }
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    if (static_cast<int>(i) != rank) read_report(static_cast<int>(i), values[i], limit);
  }
  const std::lock_guard lock(mutex);
  all_closed = closed;
  first_where = parsed(values.front()).where;
  last_answer = Clock::now();
  changed.notify_all();
}

void Heartbeat::State::read_report(int other, const std::vector<std::uint8_t>& bytes, double limit) {
  Peer& peer = peers[other];
  const Report now = parsed(bytes);
  if (now.text != peer.last.text) peer = {now, Clock::now()};
  const std::string name = "rank " + std::to_string(other);
  if (now.condition == Condition::failed) announce(failed_message(name, now.where));
  if (now.condition == Condition::failed || now.condition == Condition::closed) return;
  const Seconds silent = Clock::now() - peer.changed;
  if (silent.count() > limit)
    announce(ended_message(name, now.where,
                           "no heartbeat for " + std::to_string(static_cast<int>(silent.count())) + " s"));
}

void Heartbeat::State::announce(const std::string& sentence) {
  {
    const std::lock_guard lock(mutex);
    if (failure) return;
    failure = sentence;
    changed.notify_all();
  }
  if (rank == 0) store->set(kVerdict, sentence);
}

void Heartbeat::State::lose_store() {
  const std::lock_guard lock(mutex);
  if (failure || stopping) return;
  failure = lost_store_message();
  changed.notify_all();
}

std::string Heartbeat::State::lost_store_message() const {
  const std::string how = "its rendezvous server cannot be reached";
  if (launched) return "the launcher ended or stopped responding (" + how + "). " + kResumeAdvice;
  return ended_message("rank 0", first_where, how);
}

Heartbeat::Heartbeat() : state_(std::make_shared<State>()) {}

void Heartbeat::start(c10::intrusive_ptr<c10d::Store> store, int rank, int size, double patience,
                      bool launched) {
  State& state = *state_;
  state.store = std::move(store);
  state.rank = rank;
  state.size = size;
  state.patience = patience;
  state.launched = launched;
  state.peers.resize(static_cast<std::size_t>(size));
  // Waits until every key that a rank reads exists, so that later reads do not block.
  if (rank == 0) state.store->set(kVerdict, std::string());
  state.report();
  std::vector<std::string> keys{kVerdict};
  for (int other = 0; other < size; ++other) keys.push_back(report_key(other));
  state.store->wait(keys);
  for (auto& peer : state.peers) peer.changed = Clock::now();
  state.last_answer = Clock::now();
  std::thread([shared = state_] { shared->run(); }).detach();
}

void Heartbeat::at(const std::string& where) {
  const std::lock_guard lock(state_->mutex);
  state_->where = where;
}

std::optional<std::string> Heartbeat::failure() const {
  const std::lock_guard lock(state_->mutex);
  // If the store's process is suspended, the store accepts requests but never answers.
  const bool watches = state_->store != nullptr && !state_->ended && !state_->stopping;
  const Seconds silent = Clock::now() - state_->last_answer;
  if (!state_->failure && watches && silent.count() > state_->patience)
    state_->failure = state_->lost_store_message();
  return state_->failure;
}

std::string Heartbeat::explained(const std::string& otherwise) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds{state_->patience + 2});
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->condition == Condition::running) state_->condition = Condition::broken;
  }
  while (Clock::now() < end) {
    if (const auto found = failure()) return *found;
    std::unique_lock lock(state_->mutex);
    if (state_->ended) break;
    state_->changed.wait_for(lock, kInterval);
  }
  return failure().value_or(otherwise);
}

void Heartbeat::fail(const std::string& message) {
  std::unique_lock lock(state_->mutex);
  if (state_->failure || state_->ended || state_->store == nullptr)
    return;  // the failure is known already, or a report cannot be sent
  state_->where += ": " + message;
  state_->report_soon(lock, Condition::failed);
  // The store ends with rank 0, so rank 0 gives the others time to read the report.
  const auto never = [] { return false; };
  if (state_->rank == 0 && !state_->launched) state_->changed.wait_for(lock, 3 * kInterval, never);
}

void Heartbeat::close() {
  std::unique_lock lock(state_->mutex);
  if (state_->store == nullptr || state_->stopping) return;
  if (!state_->failure && !state_->ended && state_->condition == Condition::running) {
    const auto others_closed = [this] { return state_->all_closed || state_->ended; };
    if (state_->rank == 0) {
      state_->changed.wait_for(lock, kClosing, others_closed);
      state_->report_soon(lock, Condition::closed);
      state_->changed.wait_for(lock, 2 * kInterval, [] { return false; });
    } else {
      state_->report_soon(lock, Condition::closed);
      state_->changed.wait_for(lock, kClosing, others_closed);
    }
  }
  // The store ends with rank 0, so rank 0 gives the others time to read which rank failed.
  const auto never = [] { return false; };
  if (state_->rank == 0 && !state_->launched && state_->failure)
    state_->changed.wait_for(lock, kVerdictTime, never);
  state_->stopping = true;
  state_->changed.notify_all();
  // A thread that is blocked by an unresponsive store keeps running detached; it owns everything that it uses.
  state_->changed.wait_for(lock, Seconds{1}, [this] { return state_->ended; });
}

Heartbeat::~Heartbeat() { close(); }

}  // namespace horoball::train
