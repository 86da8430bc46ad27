// Runs the asynchronous work of all devices: operations that wait for each other, one at a time on each device, in any
// order that their dependencies allow. Which of several ready operations runs next is a seeded random choice, so a
// program that forgot an event wait is likely to find out.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "driver/abi.hpp"

namespace emulator {

struct Context;

/// One thing that a stream does. Built by its owner, then handed to Scheduler::submit; read back through the scheduler.
struct Operation {
  std::shared_ptr<Context> context;
  std::function<abi::CUresult()> work;  ///< empty: a mere meeting point
  bool even_after_fault = false;        ///< runs although the context has failed (releases, callbacks)

  // The scheduler's.
  unsigned waits_for = 0;
  std::vector<std::shared_ptr<Operation>> followers;
  bool done = false;
  std::chrono::steady_clock::time_point finished;
};
using OperationPtr = std::shared_ptr<Operation>;

class Scheduler {
 public:
  Scheduler(int devices, std::uint64_t seed);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler() = default;  // never reached: a worker may be inside a kernel when the process ends

  /// `after` may hold null and finished operations.
  void submit(const OperationPtr& operation, const std::vector<OperationPtr>& after);

  [[nodiscard]] bool done(const OperationPtr& operation) const;
  [[nodiscard]] bool done(const std::vector<OperationPtr>& operations) const;
  void wait(const std::vector<OperationPtr>& operations);
  /// Waits until the context has no work left.
  void drain(const Context& context);

  void set_seed(std::uint64_t seed);

  /// No operation starts any more; waits a moment for the running ones.
  void stop();

 private:
  struct Lane {
    std::vector<OperationPtr> ready;
    std::condition_variable wake;
    bool busy = false;
  };
  void work(Lane& lane);
  void start(const OperationPtr& operation);
  void run(const OperationPtr& operation);
  void finish(const OperationPtr& operation);
  Lane& lane_of(const Operation& operation);
  OperationPtr take(Lane& lane);

  mutable std::mutex mutex_;
  std::condition_variable finished_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::mt19937_64 random_;
  bool stopping_ = false;
};

}  // namespace emulator
