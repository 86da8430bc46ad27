// What a sweep makes of candidates that break while they are timed, and of a clock that is wrong.
#include <gtest/gtest.h>

#include "subject.hpp"

namespace osdn::autotune::test {
namespace {

TEST(SweepMishaps, SettlesAllOfABatchInWhichManyBreak) {
  Subject subject;
  subject.options().only = "chunk=16|32";
  Noise noise;
  noise.jitter = 0.01;  // so that a batch has many
  auto laboratory = subject.laboratory(noise);
  int broken = 0;
  for (std::size_t i = 1; i < subject.recorded().size(); ++i) {
    const Config& config = subject.recorded()[i].config;
    if (config.chunk > 32 || i % 2 == 0 || config == subject.best().config) continue;
    laboratory.break_at(config, 0, {Outcome::faulted, "an illegal address"});
    ++broken;
  }
  ASSERT_GT(broken, 8);
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_EQ(result.choice.tried, result.choice.candidates);
  EXPECT_EQ(result.choice.gated_out, broken);
}

TEST(SweepMishaps, MeasuresByNothingThatBroke) {
  Subject subject;
  // All others are put off, so that the first batch is the default alone.
  for (Recorded& row : subject.recorded()) row.resources.spill_bytes = row.config == subject.usual() ? 0 : 64;
  auto laboratory = subject.laboratory();
  laboratory.break_at(subject.usual(), 0, {Outcome::faulted, "an illegal address"});
  int settled = 0;
  subject.options().settled = [&](const Trial& trial) { settled += trial.config == subject.usual() ? 1 : 0; };
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_EQ(settled, 1) << "timed once, broke once";
  EXPECT_EQ(result.choice.tried, result.choice.candidates);
  EXPECT_EQ(result.choice.finalists.front().config, subject.best().config);
}

TEST(SweepMishaps, CountsWhateverTheClockSaid) {
  Subject subject;
  auto first = subject.laboratory();
  SweepResult before = sweep_of(subject, first);
  before.choice.circumstances.when = 4'000'000'000;  // in 2096
  subject.database().append(subject.options().key, before.choice).value_or_throw();
  for (Trial& trial : before.trials) {
    trial.circumstances.when = 4'000'000'000;
    subject.database().append(subject.options().key, trial).value_or_throw();
  }
  subject.options().fresh = true;
  subject.at(before.choice.finalists.front().config).seconds *= 4;
  auto second = subject.laboratory();
  const SweepResult after = sweep_of(subject, second);
  ASSERT_NE(after.choice.finalists.front().config, before.choice.finalists.front().config);
  const Entry entry = subject.database().load(subject.options().key);
  EXPECT_EQ(*entry.choice, after.choice);
  const Config& slower = before.choice.finalists.front().config;
  EXPECT_EQ(trial_of(entry, slower)->median_seconds, subject.at(slower).seconds);
}

}  // namespace
}  // namespace osdn::autotune::test
