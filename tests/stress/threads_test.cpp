// Many threads, many problems, nothing compiled yet: each kernel is compiled once and every answer is right.
#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/engine_state.hpp"
#include "runtime/prepared.hpp"
#include "tests/stress/job.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::tests {
namespace {

constexpr std::size_t threads = 32;

/// What is wrong with what the threads did; each takes the jobs in an order of its own.
std::string run_on_all_threads(Engine& engine, const std::vector<Job>& jobs) {
  std::latch start(threads);
  std::mutex mutex;
  std::string wrong;
  std::vector<std::jthread> running;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      start.arrive_and_wait();
      for (std::size_t i = 0; i < jobs.size(); ++i) {
        const std::string what = run(engine, jobs[(thread * 5 + i) % jobs.size()]);
        if (what.empty()) continue;
        const std::lock_guard lock(mutex);
        wrong += what + "\n";
      }
    });
  }
  running.clear();
  return wrong;
}

std::size_t distinct_kernels(Engine& engine, const std::vector<Job>& jobs) {
  std::set<std::string> sources;
  for (const Job& job : jobs) {
    const auto operation = engine.prepare(job.problem.problem).value_or_throw();
    for (const auto& kernel : operation.state()->plan().kernels) sources.insert(kernel.source);
  }
  return sources.size();
}

TEST(Threads, CompileEachKernelOnceAndAnswerRight) {
  const osdn::test::TemporaryDirectory cache;
  const std::vector<Job> jobs = make_jobs(input_seed());
  auto engine = Engine::create(options(cache.path().string())).value_or_throw();
  EXPECT_EQ(run_on_all_threads(engine, jobs), "");
  EXPECT_EQ(engine.cache_statistics().misses, distinct_kernels(engine, jobs));
  EXPECT_EQ(engine.cache_statistics().rejected, 0U);

  // A second engine of the process finds all of them on disk.
  auto second = Engine::create(options(cache.path().string())).value_or_throw();
  for (const Job& job : jobs) EXPECT_EQ(run(second, job), "");
  EXPECT_EQ(second.cache_statistics().misses, 0U);
}

}  // namespace
}  // namespace osdn::tests
