// The processes (ranks) that train one network together: rendezvous, collectives, and detection of failed ranks. group.cc
// implements Group with c10d; group_stub.cc, used if libtorch is too old or has no Gloo, rejects join() and the collectives.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lane.h"

namespace horoball::train {

struct GroupConfig {
  static constexpr const char* kTypeScript = "GroupNumbers";
  std::string host;  // of the store through which the ranks find each other
  std::uint16_t port = 0;
  int rank = 0;
  int size = 1;
  bool launched = false;      // a launcher, not rank 0, serves the store
  std::string prefix;         // of the keys in the store; differs after each restart
  std::string interface;      // network interface, or empty
  double join_seconds = 300;  // seconds in which all ranks must arrive
  double timeout = 1800;      // seconds that a collective may take
  double patience = 20;       // seconds without a report after which a rank counts as hung
};

// Every rank must call the collectives in the same order, on the lane (the libtorch thread, lane.h). If a rank fails,
// they throw ERR_HOROBALL_RANK, which names the rank if it is known.
class Group {
 public:
  Group();
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void join(const GroupConfig& config, const Flag* cancel);
  int rank() const;
  int size() const;

  // Starts to sum a tensor over the ranks, in place; call the result to wait for the sum.
  std::function<void()> start_sum(const at::Tensor& values);
  // Concatenates the tensors `own` of all ranks, which must have the same shape, in rank order.
  at::Tensor gather(const at::Tensor& own);
  // Overwrites the values with those of rank 0.
  void broadcast(at::Tensor values);
  // Returns the text that rank 0 passes with the same key. A key can be used only once.
  std::string share(const std::string& key, const std::string& text);

  // at(), fail() and close() may be called from any thread.
  void at(const std::string& where);
  void fail(const std::string& message);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace horoball::train
