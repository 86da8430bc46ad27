// What is destroyed while work is in flight, and memory that runs out.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "tests/stress/job.hpp"

namespace osdn::tests {
namespace {

TEST(Flight, EngineAndOperationMayGoBeforeTheWorkIsDone) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  std::optional<Engine> engine = Engine::create(options()).value_or_throw();
  std::optional<PreparedOperation> operation = engine->prepare(jobs[2].problem.problem).value_or_throw();
  auto memory = JobMemory::create(*engine, jobs[2], *operation).value_or_throw();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(operation->launch(memory.arguments()));
  operation.reset();
  engine.reset();
  EXPECT_EQ(judged(jobs[2], memory.outputs().value_or_throw()), "");
}

TEST(Flight, ExhaustedDeviceMemoryIsAnErrorAndTheEngineGoesOn) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  auto engine = Engine::create(options()).value_or_throw();
  ASSERT_EQ(run(engine, jobs[2]), "");
  {
    std::vector<DeviceBuffer> hoard;
    std::size_t bytes = engine.device().memory_bytes;
    while (bytes >= 256) {  // halves: until not even a tensor fits
      auto buffer = engine.allocate(bytes);
      if (buffer) {
        hoard.push_back(*std::move(buffer));
        continue;
      }
      EXPECT_EQ(buffer.error().code, ErrorCode::out_of_memory) << buffer.error().message;
      bytes /= 2;
    }
    const std::string refused = run(engine, jobs[2]);
    EXPECT_NE(refused.find("allocating"), std::string::npos) << refused;
  }
  EXPECT_EQ(run(engine, jobs[2]), "");
}

}  // namespace
}  // namespace osdn::tests
