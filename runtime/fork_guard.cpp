#include "runtime/fork_guard.hpp"

#include <pthread.h>

#include <atomic>
#include <mutex>

namespace osdn::runtime {
namespace {

// A fact about the process, not about an Engine: what pthread_atfork calls gets no argument.
std::atomic<bool> is_child{false};

void in_child() {
  is_child.store(true, std::memory_order_relaxed);
}

}  // namespace

void watch_for_forks() {
  static std::once_flag once;
  std::call_once(once, [] { ::pthread_atfork(nullptr, nullptr, in_child); });
}

bool forked() {
  return is_child.load(std::memory_order_relaxed);
}

Error after_fork() {
  return {
      ErrorCode::unsupported,
      "this process was forked from one that had already initialised the CUDA driver, whose contexts do not survive a "
      "fork: fork first and create the Engine in each child, or start children with exec, posix_spawn or Python's "
      "start method \"spawn\"",
      ""};
}

}  // namespace osdn::runtime
