// Who wins a race, and what it costs.
#include "autotune/search/race.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "landscape.hpp"

namespace osdn::autotune {
namespace {

using test::entrants;
using test::some_configs;
using test::with_times;

RaceResult run(const std::vector<Recorded>& recorded, const Noise& noise = {}, const RaceOptions& options = {}) {
  ReplayLaboratory laboratory(recorded, noise);
  return race(laboratory, entrants(recorded), options).value_or_throw();
}

Noise jitter(double amount, std::uint64_t seed) {
  Noise noise;
  noise.jitter = amount;
  noise.seed = seed;
  return noise;
}

TEST(Race, OneEntrantWins) {
  const auto recorded = with_times(some_configs(1), {1e-6}, 1);
  for (const Noise& noise : {Noise{}, jitter(0.03, 5)}) {
    const auto result = run(recorded, noise);
    ASSERT_EQ(result.finalists.size(), 1U);
    EXPECT_EQ(result.finalists[0].config, recorded[0].config);
    EXPECT_EQ(result.finalists[0].ratio, 1);
    EXPECT_EQ(result.ended, "separated");
  }
}

TEST(Race, NobodyIsADefect) {
  ReplayLaboratory laboratory({});
  EXPECT_EQ(race(laboratory, {}, {}).error().code, ErrorCode::internal);
}

TEST(Race, DeterministicTimesNeedOneRound) {
  const auto recorded = with_times(some_configs(6), {9e-6, 4e-6, 7e-6, 3e-6, 8e-6, 5e-6}, 1);
  ReplayLaboratory laboratory(recorded);
  RaceOptions options;
  options.finalists = 4;
  const auto result = race(laboratory, entrants(recorded), options).value_or_throw();
  EXPECT_EQ(laboratory.samples(), 6);
  ASSERT_EQ(result.finalists.size(), 5U);  // four, and the default
  EXPECT_EQ(result.finalists[0].config, recorded[3].config);
  EXPECT_DOUBLE_EQ(result.finalists[0].ratio, 3.0 / 9);
  EXPECT_DOUBLE_EQ(result.finalists[0].ratio_low, 3.0 / 9);
  EXPECT_EQ(result.finalists[1].config, recorded[1].config);
  EXPECT_EQ(result.finalists[4].config, recorded[0].config);
  EXPECT_EQ(result.ended, "separated");
}

TEST(Race, TheDefaultWinsATie) {
  const auto recorded = with_times(some_configs(3), {1.00e-6, 0.985e-6, 2e-6}, 1);
  for (const Noise& noise : {Noise{}, jitter(0.003, test::test_seed())}) {
    const auto result = run(recorded, noise);
    EXPECT_EQ(result.finalists[0].config, recorded[0].config);
    EXPECT_EQ(result.ended, "within noise");
  }
}

TEST(Race, TheLeanestWinsATieWithoutTheDefault) {
  auto recorded = with_times(some_configs(4), {2e-6, 1e-6, 1.01e-6, 1.015e-6}, 1);
  for (auto& one : recorded) one.resources = {64, 0, 4096, 128, 0, 1.0};
  const auto winner = [&] { return run(recorded).finalists[0].config; };
  recorded[2].resources.shared_bytes = 2048;
  EXPECT_EQ(winner(), recorded[2].config);
  recorded[3].resources = {128, 0, 2048, 32, 0, 9.0};  // 4,096 registers instead of 8,192
  EXPECT_EQ(winner(), recorded[3].config);
  for (auto& one : recorded) one.resources = {64, 8, 4096, 128, 512, 1.0};
  recorded[1].resources.spill_bytes = 4;
  recorded[2].resources.workspace_bytes = 1;
  EXPECT_EQ(winner(), recorded[1].config);
  recorded[1].resources.spill_bytes = 8;
  EXPECT_EQ(winner(), recorded[2].config);
  recorded[2].resources.workspace_bytes = 512;
  const auto first = std::min_element(recorded.begin() + 1, recorded.end(), [](const auto& a, const auto& b) {
    return to_string(a.config) < to_string(b.config);
  });
  EXPECT_EQ(winner(), first->config);
}

// 1.5 % slower than the best, which is 3 % faster than the default: as fast as the best, but also as the default.
TEST(Race, NoWinnerIsAsSlowAsTheDefault) {
  auto recorded = with_times(some_configs(3), {1.03e-6, 1e-6, 1.015e-6}, 1);
  recorded[2].resources = {};
  EXPECT_EQ(run(recorded).finalists[0].config, recorded[1].config);
}

TEST(Race, FindsTheBestOfWellSeparated) {
  Random random(test::test_seed());
  for (int i = 0; i < 100; ++i) {
    const std::size_t count = 2 + random.bits() % 40;
    std::vector<double> seconds;
    for (std::size_t k = 0; k < count; ++k) seconds.push_back(1e-6 * (1 + 0.08 * static_cast<double>(k)));
    for (std::size_t k = count - 1; k > 0; --k) std::swap(seconds[k], seconds[random.bits() % (k + 1)]);
    const auto recorded = with_times(some_configs(count), seconds, random.bits());
    const auto best = std::min_element(seconds.begin(), seconds.end()) - seconds.begin();
    const auto result = run(recorded, jitter(0.01, random.bits()));
    EXPECT_EQ(result.finalists[0].config, recorded[static_cast<std::size_t>(best)].config) << "race " << i;
    EXPECT_EQ(result.ended, "separated") << "race " << i;
    for (const Finalist& one : result.finalists) EXPECT_LE(one.samples.size(), 200U);
  }
}

TEST(Race, TheDefaultIsInEveryFinalAndTheWinnerFirst) {
  Random random(test::test_seed());
  for (int i = 0; i < 50; ++i) {
    std::vector<double> seconds;
    for (int k = 0; k < 20; ++k) seconds.push_back(1e-6 * (1 + random.uniform()));
    seconds[0] = 2e-6;
    const auto recorded = with_times(some_configs(20), seconds, random.bits());
    const auto result = run(recorded, jitter(0.03, random.bits()));
    ASSERT_LE(result.finalists.size(), RaceOptions().reported + 2);
    EXPECT_TRUE(std::any_of(result.finalists.begin(), result.finalists.end(),
                            [&](const Finalist& one) { return one.config == recorded[0].config; }));
    for (std::size_t k = 2; k < result.finalists.size(); ++k) {
      EXPECT_LE(result.finalists[k - 1].ratio, result.finalists[k].ratio);
    }
    for (const Finalist& one : result.finalists) {
      EXPECT_LE(one.ratio_low, one.ratio);
      EXPECT_GE(one.ratio_high, one.ratio);
      EXPECT_EQ(one.sources, "sources");
    }
  }
}

TEST(Race, GoesOnWithoutWhoBreaks) {
  const auto recorded = with_times(some_configs(9), {9e-6, 8e-6, 7e-6, 6e-6, 5e-6, 4e-6, 3e-6, 2e-6, 1e-6}, 1);
  for (const std::int64_t after : {0, 3, 4, 10}) {
    for (const Noise& noise : {Noise{}, jitter(0.01, 7)}) {
      if (noise.silent() && after > 0) continue;
      ReplayLaboratory laboratory(recorded, noise);
      laboratory.break_at(recorded[8].config, after, {Outcome::faulted, "CUDA_ERROR_ILLEGAL_ADDRESS"});
      std::vector<std::string> broke;
      RaceOptions options;
      options.broke = [&](const Config& config, const Verdict& verdict) {
        broke.push_back(to_string(config) + " " + name(verdict.outcome));
      };
      const auto result = race(laboratory, entrants(recorded), options).value_or_throw();
      EXPECT_EQ(broke, std::vector<std::string>{to_string(recorded[8].config) + " faulted"});
      EXPECT_EQ(result.finalists[0].config, recorded[7].config);
      for (const Finalist& one : result.finalists) EXPECT_NE(one.config, recorded[8].config);
    }
  }
}

TEST(Race, GoesOnWithoutTheDefaultToo) {
  const auto recorded = with_times(some_configs(4), {1e-6, 4e-6, 3e-6, 2e-6}, 1);
  ReplayLaboratory laboratory(recorded, jitter(0.01, 3));
  laboratory.break_at(recorded[0].config, 5, {Outcome::hung, "was not done in 60 s"});
  const auto result = race(laboratory, entrants(recorded), {}).value_or_throw();
  ASSERT_EQ(result.finalists.size(), 3U);
  EXPECT_EQ(result.finalists[0].config, recorded[3].config);
  EXPECT_NEAR(result.finalists[0].ratio, 0.5, 0.02);
}

TEST(Race, SaysSoWhenEverybodyBreaks) {
  const auto recorded = with_times(some_configs(2), {1e-6, 4e-6}, 1);
  ReplayLaboratory laboratory(recorded, jitter(0.01, 3));
  for (const auto& one : recorded) laboratory.break_at(one.config, 2, {Outcome::faulted, "gone"});
  const auto result = race(laboratory, entrants(recorded), {});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("every configuration"), std::string::npos) << result.error().message;
}

TEST(Race, EndsWithWhatIsKnownWhenTimeIsOut) {
  std::vector<double> seconds;
  for (int k = 0; k < 40; ++k) seconds.push_back(1e-6 * (40 - k));
  const auto recorded = with_times(some_configs(40), seconds, 1);
  ReplayLaboratory laboratory(recorded, jitter(0.01, 3));
  RaceOptions options;
  options.out_of_time = [] { return true; };
  const auto result = race(laboratory, entrants(recorded), options).value_or_throw();
  EXPECT_EQ(result.ended, "budget");
  EXPECT_EQ(laboratory.samples(), 40 * 4 + 17 * 6);  // one heat, and the least that says something
  EXPECT_EQ(result.finalists[0].config, recorded[39].config);
}

class Broken final : public Laboratory {
 public:
  explicit Broken(std::vector<std::vector<double>> rounds) : rounds_(std::move(rounds)) {}
  Compiled compile(const Config&) override { return {}; }
  [[nodiscard]] int compilers() const override { return 1; }
  Verdict gate(const Config&) override { return {}; }
  expected<Measurement> measure(std::span<const Config>, int) override { return Measurement{rounds_, {}}; }
  [[nodiscard]] bool deterministic() const override { return true; }

 private:
  std::vector<std::vector<double>> rounds_;
};

TEST(Race, RefusesWhatIsNoSample) {
  const auto field = entrants(with_times(some_configs(2), {1, 1}, 1));
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1e-6, infinity, std::numeric_limits<double>::quiet_NaN()}) {
    Broken laboratory({{1e-6, bad}});
    const auto result = race(laboratory, field, {});
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::internal);
    EXPECT_NE(result.error().message.find(to_string(field[1].config)), std::string::npos) << result.error().message;
  }
  for (const auto& rounds : std::vector<std::vector<std::vector<double>>>{{}, {{1e-6}}, {{1, 1}, {1, 1}}}) {
    Broken laboratory(rounds);
    EXPECT_EQ(race(laboratory, field, {}).error().code, ErrorCode::internal);
  }
}

TEST(SelectEntrants, TakesTurnsBetweenTheFastestAndTheLeanestOfEquals) {
  auto field = entrants(with_times(some_configs(7), std::vector<double>(7, 1e-6), 1));
  for (std::size_t i = 0; i < field.size(); ++i) field[i].resources = {.shared_bytes = 1000 - 100 * i};
  //                                    0     1      2      3      4     5    6: the leanest
  const std::vector<double> ratios = {0.50, 0.501, 0.502, 0.503, 0.504, 0.9, 1.5};
  const auto select = [&](std::size_t seats) { return select_entrants(field, ratios, seats, 0.02); };
  EXPECT_EQ(select(1), (std::vector<std::size_t>{0}));
  EXPECT_EQ(select(4), (std::vector<std::size_t>{0, 4, 1, 3}));
  // When there are no more equals, the fastest of the others.
  EXPECT_EQ(select(6), (std::vector<std::size_t>{0, 4, 1, 3, 2, 5}));
  EXPECT_EQ(select(100).size(), field.size());
  EXPECT_TRUE(select_entrants({}, {}, 3, 0.02).empty());
}

TEST(Summarize, PairsByRoundAndThrowsDisturbedRoundsAway) {
  const auto all = summarize({{1, 2}, {1.02, 2.04}, {0.98, 1.96}, {1.5, 1.0}, {1, 2.2}}, 0.1);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].samples, 4);
  EXPECT_EQ(all[0].discarded, 1);
  EXPECT_DOUBLE_EQ(all[0].ratio, 1);
  EXPECT_DOUBLE_EQ(all[0].median_seconds, 1);
  EXPECT_DOUBLE_EQ(all[1].ratio, 2);
  EXPECT_DOUBLE_EQ(all[1].median_seconds, 2.02);
  EXPECT_TRUE(summarize({}, 0.1).empty());
}

}  // namespace
}  // namespace osdn::autotune
