#include "autotune/sweep/compile_ahead.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace osdn::autotune {

CompileAhead::CompileAhead(Laboratory& laboratory) : laboratory_(laboratory) {
  const int wanted = std::max(1, laboratory.compilers());
  threads_.reserve(static_cast<std::size_t>(wanted));
  try {
    for (int i = 0; i < wanted; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::exception&) {  // no thread, or no memory for one
    if (threads_.empty()) throw;     // else fewer will do
  }
}

CompileAhead::~CompileAhead() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    tasks_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::future<Compiled> CompileAhead::submit(const Config& config) {
  Task task([this, config] { return laboratory_.compile(config); });
  std::future<Compiled> future = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
  return future;
}

void CompileAhead::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (ending_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace osdn::autotune
