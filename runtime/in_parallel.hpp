// One piece of work after the other on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace osdn::runtime {

/// Calls work(i) for 0 … count − 1, each once, on this thread and up to `threads` − 1 others; where no more can be had
/// fewer do it. Once a call throws nothing further is begun, and the first exception is thrown again when every thread
/// has ended.
template <class Work>
void in_parallel(std::size_t count, int threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto run = [&]() noexcept {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!thrown) thrown = std::current_exception();
    }
  };
  const std::size_t helping =
      std::min(static_cast<std::size_t>(std::max(threads, 1)), std::max<std::size_t>(count, 1)) - 1;
  std::vector<std::thread> helpers;
  try {
    helpers.reserve(helping);
    while (helpers.size() < helping) helpers.emplace_back(run);
  } catch (const std::exception&) {  // no thread or no memory for one
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace osdn::runtime
