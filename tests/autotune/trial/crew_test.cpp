// A crew of real workers on the emulator.
#include "autotune/trial/crew.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "generator/plan.hpp"
#include "tests/autotune/trial/support.hpp"

namespace osdn::autotune {
namespace {

TEST(Crew, CompilesChecksAndTimesTheDefault) {
  auto crew = make_crew(crew_options("osdn_forward:type=fp32,k=16,v=16", "b=1,t=100,h=1,hv=2"));
  ASSERT_TRUE(crew) << crew.error().message;
  EXPECT_TRUE((*crew)->deterministic());
  EXPECT_GE((*crew)->compilers(), 1);
  const Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
  const Compiled compiled = (*crew)->compile(usual);
  EXPECT_EQ(compiled.verdict.outcome, Outcome::passed) << compiled.verdict.reason;
  EXPECT_GT(compiled.resources.registers, 0);
  EXPECT_GT(compiled.resources.shared_bytes, 0U);
  // Two kernels: the warps of each, 32 threads a warp.
  EXPECT_EQ(compiled.resources.threads, 32 * (usual.warps + usual.preconditioner_warps));
  EXPECT_GT(compiled.resources.workspace_bytes, 0U);
  const Verdict verdict = (*crew)->gate(usual);
  EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.reason;
  const auto measured = (*crew)->measure(std::vector<Config>{usual, usual}, 2);
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_FALSE(measured->broken);
  ASSERT_EQ(measured->rounds.size(), 2U);
  ASSERT_EQ(measured->rounds[0].size(), 2U);
  EXPECT_GT(measured->rounds[0][0], 2e-6);  // the model takes 2 us for a launch alone
  EXPECT_EQ(measured->rounds[0][0], measured->rounds[1][1]);
}

TEST(Crew, CompilesFromSeveralThreads) {
  CrewOptions options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64");
  options.compilers = 2;
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  std::vector<Verdict> verdicts(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    threads.emplace_back([&, i] {
      Config config = default_of("osdn_forward:type=fp32,k=16,v=16");
      config.preconditioner_warps = i < 2 ? 1 : 2;
      verdicts[i] = (*crew)->compile(config).verdict;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Verdict& verdict : verdicts) EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.reason;
}

TEST(Crew, RefusesWhatBreaksAConstraint) {
  auto crew = make_crew(crew_options("osdn_forward:type=fp32,k=16,v=16", "t=64"));
  ASSERT_TRUE(crew) << crew.error().message;
  Config config = default_of("osdn_forward:type=fp32,k=16,v=16");
  config.value_split = 3;
  const Compiled compiled = (*crew)->compile(config);
  EXPECT_EQ(compiled.verdict.outcome, Outcome::refused);
  EXPECT_NE(compiled.verdict.reason.find("value_split = 3 does not divide"), std::string::npos)
      << compiled.verdict.reason;
}

TEST(Crew, EventsTimeReplays) {
  CrewOptions options = crew_options("osdn_forward:type=fp32,k=16,v=16", "t=50,n=3,h=1,hv=3");
  options.stopwatch = StopwatchKind::events;
  auto crew = make_crew(options);
  ASSERT_TRUE(crew) << crew.error().message;
  EXPECT_FALSE((*crew)->deterministic());
  const Config usual = default_of("osdn_forward:type=fp32,k=16,v=16");
  Config other = usual;
  other.chunk = 16;  // needs a larger workspace
  auto measured = (*crew)->measure(std::vector<Config>{usual}, 1);
  ASSERT_TRUE(measured) << measured.error().message;
  measured = (*crew)->measure(std::vector<Config>{usual, other}, 3);
  ASSERT_TRUE(measured) << measured.error().message;
  ASSERT_FALSE(measured->broken) << measured->broken->verdict.reason;
  ASSERT_EQ(measured->rounds.size(), 3U);
  for (const auto& round : measured->rounds) {
    ASSERT_EQ(round.size(), 2U);
    for (const double seconds : round) {
      EXPECT_GT(seconds, 1e-5);  // of an emulator's work on 150 rows
      EXPECT_LT(seconds, 1.0);
    }
  }
}

TEST(FindWorker, SaysWhereItLooked) {
  const auto named = find_worker("/nowhere/osdn-tune-worker");
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, ErrorCode::library_not_found);
  EXPECT_NE(named.error().message.find("/nowhere/osdn-tune-worker (option worker) is not there"), std::string::npos)
      << named.error().message;
  const auto beside = find_worker({});  // test programs stand where the worker does
  ASSERT_TRUE(beside) << beside.error().context;
}

}  // namespace
}  // namespace osdn::autotune
