// Two devices: each engine works on its own, and what belongs to the other is refused by name.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/stress/job.hpp"

namespace osdn::tests {
namespace {

Engine engine_on(int device) {
  EngineOptions on = options();
  on.device = device;
  return Engine::create(on).value_or_throw();
}

TEST(Devices, WorkSideBySide) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  Engine first = engine_on(0);
  Engine second = engine_on(1);
  EXPECT_EQ(first.device().ordinal, 0);
  EXPECT_EQ(second.device().ordinal, 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run(first, jobs[2]), "");
    EXPECT_EQ(run(second, jobs[2]), "");
  }
}

TEST(Devices, MemoryOfTheOtherIsRefused) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  Engine first = engine_on(0);
  Engine second = engine_on(1);
  const auto operation = first.prepare(jobs[0].problem.problem).value_or_throw();
  auto right = JobMemory::create(first, jobs[0], operation).value_or_throw();
  const auto wrong = JobMemory::create(second, jobs[0], operation).value_or_throw();
  for (DevicePointer ForwardArguments::*field :
       {&ForwardArguments::q, &ForwardArguments::beta, &ForwardArguments::o, &ForwardArguments::workspace}) {
    ForwardArguments mixed = right.arguments();
    mixed.*field = wrong.arguments().*field;
    const auto refused = operation.launch(mixed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(refused.error().message.find("device 1"), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("device 0"), std::string::npos) << refused.error().message;
  }
  ASSERT_TRUE(operation.launch(right.arguments()));
  EXPECT_EQ(judged(jobs[0], right.outputs().value_or_throw()), "");
}

TEST(Devices, OneThatIsNotThereIsToldWithTheirNumber) {
  EngineOptions third = options();
  third.device = 2;
  const auto refused = Engine::create(third);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_device);
  EXPECT_NE(refused.error().message.find('2'), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace osdn::tests
