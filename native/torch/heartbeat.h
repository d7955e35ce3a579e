// Finds out which rank of a group failed, and where. A thread of each rank reports twice per second to the
// group's store that the rank is alive; rank 0 reads all reports and announces the first rank that failed,
// stopped or ended.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace horoball::train {

// The advice for an error that interrupts a run.
inline constexpr const char* kResumeAdvice = "Resume the run from its last checkpoint, if it has one.";

class Heartbeat {
 public:
  Heartbeat();
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // Once this returns, only the thread uses `store`. `patience`: seconds without a report after which a rank counts as
  // hung. `launched`: a launcher, not rank 0, serves the store.
  void start(c10::intrusive_ptr<c10d::Store> store, int rank, int size, double patience, bool launched);
  // Records what the rank is doing, for the errors of the other ranks.
  void at(const std::string& where);
  // Returns a message that says which rank failed and where, with advice, or nothing if that is not known.
  std::optional<std::string> failure() const;
  // Waits a limited time until the failed rank is known; to be called after a collective has failed. Returns the message
  // about that rank, or `otherwise`.
  std::string explained(const std::string& otherwise);
  // Announces this rank's own error, unless a failure is already known. Waits a limited time until the others can read it.
  void fail(const std::string& message);
  // Ends the reports of a rank that has finished. Waits a limited time until the others have finished too,
  // because they may still read this rank's data and rank 0's store.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace horoball::train
