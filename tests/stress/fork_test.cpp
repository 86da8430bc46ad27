// A child of fork is told that it cannot use its parent's driver, and leaves what is the parent's alone.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "tests/stress/job.hpp"

namespace osdn::tests {
namespace {

/// Runs `work` in a child of fork; what it returned, or how the child ended.
std::string in_child(const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);  // a child that waits for threads that did not come along would wait for ever
    const std::string text = work();
    const auto written = ::write(ends[1], text.data(), text.size());
    ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char part[256];
  for (ssize_t got = 0; (got = ::read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? text : text + " (the child ended with status " + std::to_string(status) + ")";
}

template <class T>
std::string told(const expected<T>& result) {
  if (result) return "worked\n";
  return std::string(name(result.error().code)) + ": " + result.error().message + "\n";
}

TEST(Fork, EverythingIsRefusedInTheChildAndGoesOnInTheParent) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  const Job& job = jobs[2];
  auto engine = Engine::create(options()).value_or_throw();
  ASSERT_EQ(run(engine, job), "");
  auto operation = engine.prepare(job.problem.problem).value_or_throw();
  auto memory = JobMemory::create(engine, job, operation).value_or_throw();

  const std::string all = in_child([&] {
    std::string text = told(Engine::create(options()));
    text += told(engine.prepare(jobs[3].problem.problem));
    text += told(engine.allocate(256));
    text += told(operation.launch(memory.arguments()));
    text += told(memory.outputs());
    text += told(engine.synchronize());
    return text;
  });
  std::size_t refusals = 0;
  for (std::size_t at = 0; (at = all.find("unsupported: this process was forked", at)) != std::string::npos; ++at) {
    ++refusals;
  }
  EXPECT_EQ(refusals, 6U) << all;
  EXPECT_EQ(all.find("status"), std::string::npos) << all;

  // Destructors in a child must not touch the parent's memory, modules or context.
  EXPECT_EQ(in_child([&] {
              operation = engine.prepare(job.problem.problem).value_or_throw();  // at hand: no driver needed
              { const JobMemory dropped = std::move(memory); }
              { const Engine gone = std::move(engine); }
              return std::string("left");
            }),
            "left");

  ASSERT_TRUE(operation.launch(memory.arguments()));
  EXPECT_EQ(judged(job, memory.outputs().value_or_throw()), "");
}

TEST(Fork, AChildThatForksFirstMayUseTheDriver) {
  // Only in a process that never initialised it: this one has. exec gives a new one.
  EXPECT_EQ(in_child([] {
              ::execl(OSDN_FRESH_PROGRAM, OSDN_FRESH_PROGRAM, "--gtest_filter=Flight.*", "--gtest_brief=1", nullptr);
              return std::string("no exec");
            }),
            "");
}

}  // namespace
}  // namespace osdn::tests
