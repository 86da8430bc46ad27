// Recorded trials as a laboratory.
#include "autotune/search/replay.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "autotune/search/statistics.hpp"
#include "landscape.hpp"

namespace osdn::autotune {
namespace {

using test::some_configs;
using test::with_times;

TEST(Replay, AnswersAsRecorded) {
  const auto configs = some_configs(4);
  auto recorded = with_times(configs, {1e-6, 2e-6, 3e-6, 4e-6}, 1);
  recorded[1].verdict = {Outcome::refused, "too many registers"};
  recorded[2].verdict = {Outcome::wrong, "off by a mile"};
  recorded.pop_back();
  ReplayLaboratory laboratory(recorded);
  EXPECT_TRUE(laboratory.deterministic());
  EXPECT_EQ(laboratory.compile(configs[0]).verdict.outcome, Outcome::passed);
  EXPECT_EQ(laboratory.compile(configs[0]).resources, recorded[0].resources);
  EXPECT_EQ(laboratory.compile(configs[1]).verdict.reason, "too many registers");
  EXPECT_EQ(laboratory.compile(configs[2]).verdict.outcome, Outcome::passed);
  EXPECT_EQ(laboratory.gate(configs[2]).outcome, Outcome::wrong);
  EXPECT_EQ(laboratory.compile(configs[3]).verdict.outcome, Outcome::refused);
  EXPECT_FALSE(laboratory.measure(std::vector{configs[3]}, 1));
  const auto measured = laboratory.measure(std::vector{configs[2], configs[0]}, 2);
  ASSERT_TRUE(measured);
  EXPECT_EQ(measured->rounds, (std::vector<std::vector<double>>{{3e-6, 1e-6}, {3e-6, 1e-6}}));
  EXPECT_EQ(laboratory.compiled(), 5);
  EXPECT_EQ(laboratory.gated(), 1);
  EXPECT_EQ(laboratory.samples(), 4);
}

TEST(Replay, BreaksWhereItIsTold) {
  const auto configs = some_configs(3);
  ReplayLaboratory laboratory(with_times(configs, {1, 2, 3}, 1));
  laboratory.break_at(configs[1], 2, {Outcome::hung, "was not done in 60 s"});
  const auto measured = laboratory.measure(configs, 5);
  ASSERT_TRUE(measured);
  EXPECT_EQ(measured->rounds.size(), 2U);
  ASSERT_TRUE(measured->broken);
  EXPECT_EQ(measured->broken->index, 1U);
  EXPECT_EQ(measured->broken->verdict.outcome, Outcome::hung);
}

TEST(Replay, NoiseIsThatOfTheSeed) {
  const auto configs = some_configs(5);
  const auto recorded = with_times(configs, {1, 2, 3, 4, 5}, 1);
  Noise noise;
  noise.jitter = 0.02;
  noise.spike = 0.05;
  const auto rounds = [&](std::uint64_t seed) {
    noise.seed = seed;
    return ReplayLaboratory(recorded, noise).measure(configs, 50).value_or_throw().rounds;
  };
  EXPECT_EQ(rounds(1), rounds(1));
  EXPECT_NE(rounds(1), rounds(2));
}

TEST(Replay, NoiseIsAsLargeAsSaid) {
  const auto configs = some_configs(1);
  const auto recorded = with_times(configs, {1}, 1);
  const auto samples = [&](const Noise& noise) {
    const auto measurement = ReplayLaboratory(recorded, noise).measure(configs, 20000).value_or_throw();
    std::vector<double> out;
    for (const auto& round : measurement.rounds) out.push_back(round[0]);
    return out;
  };
  Noise jitter;
  jitter.jitter = 0.03;
  jitter.seed = test::test_seed();
  // Half the interquartile range of a normal distribution is 0.6745 standard deviations.
  EXPECT_NEAR(relative_spread(samples(jitter)), 0.6745 * 0.03, 0.0015);
  Noise spikes;
  spikes.spike = 0.1;
  spikes.seed = test::test_seed();
  const auto spiked = samples(spikes);
  EXPECT_NEAR(static_cast<double>(std::count(spiked.begin(), spiked.end(), 2.0)) / 20000, 0.1, 0.012);
  Noise throttled;
  throttled.throttle = 0.01;
  throttled.seed = test::test_seed();
  const auto slow = samples(throttled);
  // Periods of 8 rounds after 99 rounds on average: 8 of 107.
  EXPECT_NEAR(static_cast<double>(std::count(slow.begin(), slow.end(), 1.3)) / 20000, 8.0 / 107, 0.03);
}

}  // namespace
}  // namespace osdn::autotune
