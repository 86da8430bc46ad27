// Sweeps over recorded times: what is tried, what is remembered, what is chosen.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "subject.hpp"

namespace osdn::autotune::test {
namespace {

TEST(Sweep, TriesAllAndChoosesTheFastest) {
  const Subject subject;
  auto laboratory = subject.laboratory();
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_EQ(result.choice.finalists.front().config, subject.best().config);
  EXPECT_EQ(result.choice.tried, result.choice.candidates);
  EXPECT_EQ(result.choice.strategy, "exhaustive");
  EXPECT_EQ(result.choice.gated_out, 0);
  EXPECT_TRUE(result.raced);
  EXPECT_FALSE(result.unrecorded);

  const Entry entry = subject.database().load(subject.options().key);
  ASSERT_TRUE(entry.choice);
  EXPECT_EQ(*entry.choice, result.choice);
  const double usual = subject.laboratory().measure(std::vector{subject.usual()}, 1)->rounds[0][0];
  for (const Trial& trial : result.trials) {
    const Trial* stored = trial_of(entry, trial.config);
    ASSERT_NE(stored, nullptr) << to_string(trial.config);
    EXPECT_EQ(*stored, trial);
    EXPECT_NEAR(trial.ratio * usual, trial.median_seconds, 1e-12);
  }
  const auto& finalists = result.choice.finalists;
  EXPECT_TRUE(std::any_of(finalists.begin(), finalists.end(),
                          [&](const Finalist& finalist) { return finalist.config == subject.usual(); }));
}

TEST(Sweep, AsksTheDatabaseFirst) {
  const Subject subject;
  auto first = subject.laboratory();
  const SweepResult before = sweep_of(subject, first);
  auto second = subject.laboratory();
  const SweepResult after = sweep_of(subject, second);
  EXPECT_EQ(second.compiled() + second.gated() + second.samples(), 0);
  EXPECT_EQ(after.taken_over, before.choice.candidates);
  EXPECT_FALSE(after.raced);
  EXPECT_EQ(after.choice, before.choice);
}

TEST(Sweep, MeasuresAgainWhenAsked) {
  Subject subject;
  auto first = subject.laboratory();
  sweep_of(subject, first);
  subject.options().fresh = true;
  auto second = subject.laboratory();
  const SweepResult result = sweep_of(subject, second);
  EXPECT_EQ(second.compiled(), result.choice.candidates);
  EXPECT_EQ(result.taken_over, 0);
}

TEST(Sweep, TriesTheWinnerSoFarOnceWheneverItIsAskedFor) {
  Subject subject;
  subject.options().only = "chunk=16";
  auto first = subject.laboratory();
  sweep_of(subject, first);
  subject.options().fresh = true;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    subject.options().seed = seed;
    auto again = subject.laboratory();
    const SweepResult result = sweep_of(subject, again);
    EXPECT_EQ(again.gated(), result.choice.candidates) << "seed " << seed;
  }
}

TEST(Sweep, MeasuresByTheDefaultWhenOnlyOthersAreKnown) {
  Subject subject;
  auto first = subject.laboratory();
  const SweepResult before = sweep_of(subject, first);
  Subject changed;  // as if the default's kernels alone had been others then
  const Database database = changed.database();
  for (Trial trial : before.trials) {
    if (trial.config == changed.usual()) trial.sources = std::string(32, 'a');
    database.append(changed.options().key, trial).value_or_throw();
  }
  Choice choice = before.choice;
  for (Finalist& finalist : choice.finalists) {
    if (finalist.config == changed.usual()) finalist.sources = std::string(32, 'a');
  }
  database.append(changed.options().key, choice).value_or_throw();
  auto second = changed.laboratory();
  const SweepResult after = sweep_of(changed, second);
  EXPECT_EQ(second.gated(), 1);
  for (const Trial& trial : after.trials) {
    if (trial.config == changed.usual()) {
      EXPECT_EQ(trial.ratio, 1);
    }
  }
}

TEST(Sweep, PaysOneTrialForOneMoreConfiguration) {
  Subject subject;
  subject.options().only = "chunk=16,stages=1";
  auto first = subject.laboratory();
  const auto before = sweep_of(subject, first).choice.candidates;
  subject.options().only = "chunk=16,stages=1|2,warps=1|2|4|8|16";
  const auto wider = make_space(subject.options().key.problem, subject.options().architecture, subject.options().only)
                         .value_or_throw()
                         .candidates.size();
  auto second = subject.laboratory();
  const SweepResult result = sweep_of(subject, second);
  EXPECT_EQ(second.compiled(), static_cast<std::int64_t>(wider) - before);
  EXPECT_EQ(second.gated(), static_cast<std::int64_t>(wider) - before);
  EXPECT_EQ(result.taken_over, before);
}

TEST(Sweep, RefusesWhatWasWrongOnceUntilItsKernelsChange) {
  Subject subject;
  Recorded& fastest = subject.at(subject.best().config);
  fastest.seconds /= 2;
  fastest.verdict = {Outcome::wrong, "o is off by a mile"};
  const Config wrong = fastest.config;
  auto first = subject.laboratory();
  const SweepResult result = sweep_of(subject, first);
  EXPECT_NE(result.choice.finalists.front().config, wrong);
  EXPECT_EQ(result.choice.gated_out, 1);
  const Entry entry = subject.database().load(subject.options().key);
  const Trial* trial = trial_of(entry, wrong);
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ(trial->outcome, Outcome::wrong);
  EXPECT_EQ(trial->reason, "o is off by a mile");
  EXPECT_EQ(trial->samples, 0) << "never timed";

  // At other sizes, too: the kernel is the same, and so is the architecture.
  subject.options().shape.t = 1024;
  subject.options().key.bucket = bucket_of(subject.options().shape);
  auto elsewhere = subject.laboratory();
  const SweepResult other = sweep_of(subject, elsewhere);
  EXPECT_EQ(elsewhere.gated(), other.choice.candidates - 1);
  EXPECT_EQ(other.choice.gated_out, 1);

  // On another architecture it gets its chance.
  subject.options().architecture = generator::find_architecture("sm_90").value_or_throw();
  subject.options().key.gpu.arch = 90;
  subject.options().only = "chunk=" + std::to_string(wrong.chunk);
  auto abroad = subject.laboratory();
  const SweepResult foreign = sweep_of(subject, abroad);
  EXPECT_EQ(abroad.gated(), foreign.choice.candidates);

  // A trial of kernels that were written otherwise says nothing.
  subject.options().key.gpu.name = "Another GPU";
  subject.options().key.gpu.arch = 80;
  subject.options().architecture = generator::find_architecture("sm_80").value_or_throw();
  subject.options().key.gpu.emulated = false;
  Trial old = *trial;
  old.sources = std::string(32, '0');
  subject.database().append(subject.options().key, old).value_or_throw();
  auto renewed = subject.laboratory();
  const SweepResult anew = sweep_of(subject, renewed);
  EXPECT_EQ(renewed.gated(), anew.choice.candidates);
}

TEST(Sweep, ChangedKernelsCostTheirOwnTrialsOnly) {
  const Subject subject;
  auto first = subject.laboratory();
  sweep_of(subject, first);
  // As if the templates that two configurations use had been others when they were tried.
  const Entry entry = subject.database().load(subject.options().key);
  const Database database = subject.database();
  for (const std::size_t index : {std::size_t{3}, std::size_t{7}}) {
    Trial old = entry.trials[index];
    old.sources = std::string(32, 'a');
    database.append(subject.options().key, old).value_or_throw();
  }
  auto second = subject.laboratory();
  sweep_of(subject, second);
  EXPECT_EQ(second.gated(), 0) << "their newer trials are still there";

  Subject changed;
  for (Trial trial : entry.trials) {
    if (trial.config == entry.trials[3].config || trial.config == entry.trials[7].config) {
      trial.sources = std::string(32, 'a');
    }
    changed.database().append(changed.options().key, trial).value_or_throw();
  }
  auto third = changed.laboratory();
  const SweepResult result = sweep_of(changed, third);
  EXPECT_EQ(third.gated(), 2);
  EXPECT_EQ(result.taken_over, result.choice.candidates - 2);
}

TEST(Sweep, FindsAnotherMeasureWhereTheDefaultFails) {
  Subject subject;
  subject.at(subject.usual()).verdict = {Outcome::faulted, "an illegal address"};
  auto laboratory = subject.laboratory();
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_EQ(result.choice.finalists.front().config, subject.best().config);
  EXPECT_EQ(result.choice.gated_out, 1);
}

TEST(Sweep, TakesOverNoTimesOfAnotherStopwatch) {
  Subject subject;
  auto first = subject.laboratory();
  sweep_of(subject, first);
  subject.options().circumstances.stopwatch = "events";
  auto second = subject.laboratory();
  const SweepResult result = sweep_of(subject, second);
  EXPECT_EQ(result.taken_over, 0);
  EXPECT_EQ(result.choice.circumstances.stopwatch, "events");
}

TEST(Sweep, SaysWhyNothingPassed) {
  Subject subject;
  for (Recorded& row : subject.recorded()) row.verdict = {Outcome::wrong, "o is off by a mile"};
  auto laboratory = subject.laboratory();
  const auto result = sweep(subject.database(), laboratory, subject.options());
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("o is off by a mile"), std::string::npos) << result.error().message;
}

TEST(Sweep, TriesWhatSpillsLast) {
  Subject subject;
  std::vector<std::string> spilling;
  for (std::size_t i = 1; i < subject.recorded().size(); i += 5) {
    subject.recorded()[i].resources.spill_bytes = 64;
    spilling.push_back(to_string(subject.recorded()[i].config));
  }
  auto laboratory = subject.laboratory();
  const SweepResult result = sweep_of(subject, laboratory);
  ASSERT_EQ(static_cast<std::int64_t>(result.trials.size()), result.choice.candidates);
  const std::size_t sound = result.trials.size() - spilling.size();
  for (std::size_t i = 0; i < result.trials.size(); ++i) {
    EXPECT_EQ(result.trials[i].resources.spill_bytes > 0, i >= sound) << i;
  }
}

TEST(Sweep, WritesDownWhatBreaksWhileItIsTimed) {
  Subject subject;
  auto laboratory = subject.laboratory();
  const Config fragile = subject.recorded()[9].config;
  laboratory.break_at(fragile, 0, {Outcome::hung, "not done after 60 s"});
  const SweepResult result = sweep_of(subject, laboratory);
  const Entry entry = subject.database().load(subject.options().key);
  const Trial* trial = trial_of(entry, fragile);
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ(trial->outcome, Outcome::hung);
  EXPECT_EQ(trial->reason, "not done after 60 s");
  EXPECT_EQ(result.choice.tried, result.choice.candidates);
  EXPECT_EQ(result.choice.gated_out, 1);
}

TEST(Sweep, DropsWhatBreaksInTheRace) {
  Subject subject;
  auto laboratory = subject.laboratory();
  const Config fragile = subject.best().config;
  laboratory.break_at(fragile, 1, {Outcome::faulted, "an illegal address"});  // its trial was good
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_NE(result.choice.finalists.front().config, fragile);
  const Entry entry = subject.database().load(subject.options().key);
  EXPECT_EQ(trial_of(entry, fragile)->outcome, Outcome::faulted);
  EXPECT_EQ(trial_of(entry, fragile)->ratio, 0);
  EXPECT_EQ(result.choice.gated_out, 1);
}

TEST(Sweep, GoesOnWhenTheDefaultBreaksWhileItIsTimed) {
  Subject subject;
  auto laboratory = subject.laboratory();
  laboratory.break_at(subject.usual(), 0, {Outcome::faulted, "an illegal address"});
  const SweepResult result = sweep_of(subject, laboratory);
  EXPECT_EQ(result.choice.finalists.front().config, subject.best().config);
  EXPECT_EQ(result.choice.gated_out, 1);
  EXPECT_EQ(result.choice.tried, result.choice.candidates);
}

TEST(Sweep, GivesTheSameTrialsAgainForASeed) {
  std::vector<std::vector<Trial>> runs;
  for (int run = 0; run < 2; ++run) {
    Subject subject;
    subject.options().key.problem =
        canonical(parse_problem("osdn_forward:type=fp32,k=16,v=16").value_or_throw()).value_or_throw();
    subject.options().seed = 42;
    subject.options().budget.trials = 60;
    subject.recorded().clear();
    Random random(7);
    for (const Config& config :
         make_space(subject.options().key.problem, subject.options().architecture).value_or_throw().candidates) {
      Recorded row;
      row.config = config;
      row.seconds = 1e-4 * (1 + random.uniform());
      subject.recorded().push_back(row);
    }
    auto laboratory = subject.laboratory();
    SweepResult result = sweep_of(subject, laboratory);
    EXPECT_EQ(result.choice.strategy, "random+descent");
    for (Trial& trial : result.trials) trial.circumstances.when = 0;
    runs.push_back(result.trials);
  }
  EXPECT_EQ(runs[0], runs[1]);
}

TEST(Sweep, NeverChoosesWhatIsSlowerThanTheDefault) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Subject subject(seed);
    subject.options().only = "chunk=16|32";
    subject.at(subject.usual()).seconds = 1.02e-4;  // few are faster, and hardly
    Noise noise;
    noise.jitter = 0.03;
    noise.drift = 0.05;
    noise.spike = 0.02;
    noise.seed = seed;
    auto laboratory = subject.laboratory(noise);
    const SweepResult result = sweep_of(subject, laboratory);
    const double chosen = subject.at(result.choice.finalists.front().config).seconds;
    EXPECT_LE(chosen, 1.02e-4 * 1.005) << "seed " << seed;
  }
}

TEST(Sweep, TellsHowFarItIs) {
  Subject subject;
  std::vector<TuningProgress> told;
  subject.options().progress = [&](const TuningProgress& progress) { told.push_back(progress); };
  auto laboratory = subject.laboratory();
  const SweepResult result = sweep_of(subject, laboratory);
  ASSERT_GT(told.size(), 10U);
  std::int64_t before = 0;
  for (const TuningProgress& progress : told) {
    EXPECT_GE(progress.done, before);
    EXPECT_LE(progress.done, progress.total);
    before = progress.done;
  }
  EXPECT_EQ(told.back().phase, "final");
  EXPECT_EQ(told.back().done, result.choice.tried);
  EXPECT_EQ(told.back().best_seconds, subject.best().seconds);
}

}  // namespace
}  // namespace osdn::autotune::test
