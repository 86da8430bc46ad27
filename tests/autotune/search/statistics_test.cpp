// Medians and their intervals.
#include "autotune/search/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autotune/search/random.hpp"
#include "landscape.hpp"

namespace osdn::autotune {
namespace {

TEST(Statistics, MediansAndSpread) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({3, 1}), 2);
  EXPECT_EQ(median({9, 1, 4}), 4);
  EXPECT_EQ(lower_median({9, 1, 4, 8}), 4);
  // Quartiles of 1 … 5 are 2 and 4.
  EXPECT_DOUBLE_EQ(relative_spread({5, 4, 3, 2, 1}), 1.0 / 3);
}

// The sign test's table for 5 %, two-sided: 6 to 8 samples 0, 9 to 11: 1, 12 to 14: 2, 15 and 16: 3, 20: 5, 25: 7.
TEST(Statistics, LeavesOutWhatTheSignTestAllows) {
  EXPECT_FALSE(outside_each_end(5));
  EXPECT_FALSE(median_interval({1, 2, 3, 4, 5}));
  for (const auto& [samples, outside] : std::vector<std::pair<std::size_t, std::size_t>>{
           {6, 0}, {8, 0}, {9, 1}, {11, 1}, {12, 2}, {14, 2}, {15, 3}, {16, 3}, {17, 4}, {20, 5}, {25, 7}}) {
    EXPECT_EQ(outside_each_end(samples), outside) << samples;
  }
  const auto interval = median_interval({9, 8, 7, 6, 5, 4, 3, 2, 1});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 2);
  EXPECT_EQ(interval->high, 8);
}

TEST(Statistics, IntervalsOfManySamples) {
  // For n = 10,000 half the width is 1.96 · √n / 2 = 98 places, rounded to the outside.
  const auto outside = outside_each_end(10000);
  ASSERT_TRUE(outside);
  EXPECT_NEAR(static_cast<double>(*outside), 4901, 1);
}

// How often the interval holds the true median of paired log-ratios. The bound is five standard deviations of a count
// of 4,000 below 95 %: it fails by chance once in millions of runs.
TEST(Statistics, IntervalsCoverTheMedianWhateverTheNoise) {
  Random random(test::test_seed());
  const std::vector<std::pair<const char*, std::function<double()>>> noises = {
      {"log-normal", [&] { return 0.03 * random.normal(); }},
      {"exponential delays", [&] { return std::log(1 - 0.05 * std::log(1 - random.uniform())); }},
      {"spikes", [&] { return 0.01 * random.normal() + (random.uniform() < 0.1 ? 1.0 : 0.0); }},
  };
  for (const auto& [what, noise] : noises) {
    for (const std::size_t samples : {6U, 12U, 24U, 60U}) {
      int covered = 0;
      constexpr int runs = 4000;
      for (int run = 0; run < runs; ++run) {
        std::vector<double> logs;
        // Both of a pair have the noise, so that the ratio's true median is that of the times: 1.
        for (std::size_t i = 0; i < samples; ++i) logs.push_back(noise() - noise());
        const auto interval = median_interval(logs);
        covered += interval->low <= 0 && interval->high >= 0 ? 1 : 0;
      }
      const double share = static_cast<double>(covered) / runs;
      EXPECT_GE(share, 0.95 - 5 * std::sqrt(0.95 * 0.05 / runs)) << what << ", " << samples << " samples";
      // Nor does it cover by saying nothing: the largest k was taken.
      EXPECT_LE(share, samples == 6 ? 0.985 : 0.99) << what << ", " << samples << " samples";
    }
  }
}

TEST(Statistics, RoundsAreJudgedByWhatWasUsualOfLate) {
  EXPECT_EQ(undisturbed({1, 1.05, 0.95, 1.2}, 0, 0.1), (std::vector<bool>{true, true, true, false}));
  // A device that becomes slower for good: at first that disturbs, later it is the usual.
  std::vector<double> samples(20, 1.0);
  samples.resize(28, 1.5);
  EXPECT_EQ(undisturbed(samples, 20, 0.1), std::vector<bool>(8, false));
  samples.resize(45, 1.5);
  EXPECT_EQ(undisturbed(samples, 30, 0.1), std::vector<bool>(15, true));
  // Where these are all the rounds there are, one counts at least.
  EXPECT_EQ(undisturbed({1, 1, 2, 2}, 0, 0.1), (std::vector<bool>{true, true, false, false}));
}

}  // namespace
}  // namespace osdn::autotune
