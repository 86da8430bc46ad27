// Candidates that are broken on purpose: each is found out, named, and costs itself alone.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/autotune/trial/support.hpp"

namespace osdn::autotune {
namespace {

const char* const problem = "osdn_forward:type=fp32,k=16,v=16";

struct Planted {
  const char* config;
  Outcome outcome;
  std::vector<std::string> words;  ///< of the reason
};

class PlantedTest : public testing::Test {
 protected:
  void start(double compile_seconds) {
    CrewOptions options = crew_options(problem, "b=1,t=777,h=1,hv=1");
    options.worker = OSDN_PLANTED_WORKER;
    options.compilers = 2;
    options.compile_seconds = compile_seconds;
    options.run_seconds = 3;
    auto made = make_crew(options);
    ASSERT_TRUE(made) << made.error().message;
    crew_ = *std::move(made);
  }

  /// Two at a time, into the cache.
  void compile_all(const std::vector<Planted>& all) {
    const auto every_other = [&](std::size_t first) {
      for (std::size_t i = first; i < all.size(); i += 2) crew_->compile(config(all[i].config));
    };
    std::thread other(every_other, 1);
    every_other(0);
    other.join();
  }

  static Config config(const std::string& text) { return *parse_config(text, default_of(problem)); }

  static void expect(const Verdict& verdict, const Planted& planted) {
    EXPECT_EQ(verdict.outcome, planted.outcome)
        << planted.config << ": " << name(verdict.outcome) << ": " << verdict.reason;
    for (const std::string& word : planted.words) {
      EXPECT_NE(verdict.reason.find(word), std::string::npos) << planted.config << ": " << verdict.reason;
    }
    EXPECT_EQ(verdict.reason.find('\n'), std::string::npos);
  }

  std::unique_ptr<Laboratory> crew_;
};

TEST_F(PlantedTest, TheGateFindsEachAndGoesOn) {
  const std::vector<Planted> all = {
      {"stages=2", Outcome::out_of_bounds, {"wrote outside o: 16 bytes before", "(case: "}},
      {"stages=3", Outcome::not_finite, {"o[5]"}},
      {"warps=2", Outcome::wrong, {"o: relative RMS", "allowed"}},
      {"warps=8", Outcome::faulted, {"CUDA_ERROR_ILLEGAL_ADDRESS", "osdn_delta_rule"}},
      {"chunk=16", Outcome::not_repeatable, {"o[2] differed between two runs"}},
      {"chunk=16,preconditioner=serial", Outcome::out_of_bounds, {"wrote into its input v, byte 4"}},
      {"preconditioner=serial", Outcome::out_of_bounds, {"wrote outside the workspace: 4 bytes before"}},
      {"inverse=substitution", Outcome::hung, {"3 s", "checking"}},
      {"cut=automatic", Outcome::wrong, {"relative RMS", "allowed"}},
      {"preconditioner=parallel,preconditioner_warps=8", Outcome::died, {"signal 6 (SIGABRT)"}},
  };
  start(60);
  compile_all(all);
  for (const Planted& planted : all) {
    const Compiled compiled = crew_->compile(config(planted.config));
    EXPECT_EQ(compiled.verdict.outcome, Outcome::passed) << planted.config << compiled.verdict.reason;
    expect(crew_->gate(config(planted.config)), planted);
    const Verdict next = crew_->gate(default_of(problem));
    EXPECT_EQ(next.outcome, Outcome::passed) << "after " << planted.config << ": " << next.reason;
  }
}

TEST_F(PlantedTest, CompilationThatFailsHangsOrDies) {
  const std::vector<Planted> all = {
      {"warps=4", Outcome::refused, {"osdn_delta_rule"}},
      {"preconditioner=parallel,preconditioner_warps=1", Outcome::died, {"signal 6 (SIGABRT)"}},
      {"preconditioner=parallel,preconditioner_warps=2", Outcome::hung, {"2 s", "preparing"}},
  };
  start(60);
  crew_->compile(default_of(problem));  // into the cache: two seconds may be short for it
  start(2);
  for (const Planted& planted : all) {
    expect(crew_->compile(config(planted.config)).verdict, planted);
    EXPECT_EQ(crew_->compile(default_of(problem)).verdict.outcome, Outcome::passed) << "after " << planted.config;
  }
}

TEST_F(PlantedTest, WhatBreaksWhileItIsTimedIsNamed) {
  const std::vector<Planted> all = {
      {"warps=16", Outcome::hung, {"3 s", "timing"}},
      {"chunk=64", Outcome::faulted, {"CUDA_ERROR_LAUNCH_FAILED", "osdn_delta_rule"}},
      {"preconditioner=parallel,preconditioner_warps=8", Outcome::died, {"SIGABRT"}},
  };
  start(60);
  const Config usual = default_of(problem);
  for (const Planted& planted : all) {
    EXPECT_EQ(crew_->compile(config(planted.config)).verdict.outcome, Outcome::passed);
    const auto measured = crew_->measure(std::vector<Config>{usual, config(planted.config)}, 2);
    ASSERT_TRUE(measured) << measured.error().message;
    ASSERT_TRUE(measured->broken) << planted.config;
    EXPECT_EQ(measured->broken->index, 1U);
    expect(measured->broken->verdict, planted);
    const auto next = crew_->measure(std::vector<Config>{usual}, 1);
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_FALSE(next->broken);
    EXPECT_EQ(next->rounds.size(), 1U);
  }
}

}  // namespace
}  // namespace osdn::autotune
