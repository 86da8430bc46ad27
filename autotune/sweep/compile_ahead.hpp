// Compiles candidates ahead of the one that is measured, on as many threads as the laboratory has compilers.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "autotune/laboratory.hpp"

namespace osdn::autotune {

class CompileAhead {
 public:
  explicit CompileAhead(Laboratory& laboratory);
  /// What nobody began is dropped; what is being compiled is waited for.
  ~CompileAhead();
  CompileAhead(const CompileAhead&) = delete;
  CompileAhead& operator=(const CompileAhead&) = delete;

  /// In order of submission.
  std::future<Compiled> submit(const Config& config);

 private:
  using Task = std::packaged_task<Compiled()>;
  void work();

  Laboratory& laboratory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace osdn::autotune
