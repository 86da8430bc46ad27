// Sweeps that end before their end: by budget, by interruption, by a full disk, by workers that are gone.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "subject.hpp"

namespace osdn::autotune::test {
namespace {

TEST(SweepEnds, SpendsTheTrialsOfItsBudgetAndNoMore) {
  for (const std::int64_t trials : {1, 2, 7, 40}) {
    Subject subject;
    subject.options().budget.trials = trials;
    auto laboratory = subject.laboratory();
    const SweepResult result = sweep_of(subject, laboratory);
    EXPECT_EQ(result.choice.tried, trials);
    EXPECT_EQ(laboratory.gated(), trials);
  }
}

/// Every gate takes its time.
class SlowLaboratory final : public Laboratory {
 public:
  explicit SlowLaboratory(ReplayLaboratory& inner) : inner_(inner) {}
  Compiled compile(const Config& config) override { return inner_.compile(config); }
  [[nodiscard]] int compilers() const override { return 1; }
  Verdict gate(const Config& config) override {
    ::usleep(20'000);
    return inner_.gate(config);
  }
  expected<Measurement> measure(std::span<const Config> configs, int rounds) override {
    return inner_.measure(configs, rounds);
  }
  [[nodiscard]] bool deterministic() const override { return inner_.deterministic(); }

 private:
  ReplayLaboratory& inner_;
};

/// After some gates no worker can be started any more.
class LostLaboratory final : public Laboratory {
 public:
  LostLaboratory(ReplayLaboratory& inner, int gates) : inner_(inner), left_(gates) {}
  Compiled compile(const Config& config) override { return inner_.compile(config); }
  [[nodiscard]] int compilers() const override { return 1; }
  Verdict gate(const Config& config) override {
    if (left_-- > 0) return inner_.gate(config);
    return {Outcome::died, "no process can be started", true};
  }
  expected<Measurement> measure(std::span<const Config> configs, int rounds) override {
    return inner_.measure(configs, rounds);
  }
  [[nodiscard]] bool deterministic() const override { return true; }

 private:
  ReplayLaboratory& inner_;
  int left_;
};

TEST(SweepEnds, BlamesNoCandidateForALostLaboratory) {
  const Subject subject;
  auto replay = subject.laboratory();
  LostLaboratory lost(replay, 10);
  const auto result = sweep(subject.database(), lost, subject.options());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::io);
  EXPECT_NE(result.error().message.find("no process can be started"), std::string::npos);
  const Entry entry = subject.database().load(subject.options().key);
  EXPECT_GE(entry.trials.size(), 6U);
  for (const Trial& trial : entry.trials) EXPECT_EQ(trial.outcome, Outcome::passed) << trial.reason;
  auto again = subject.laboratory();
  EXPECT_EQ(sweep_of(subject, again).choice.gated_out, 0);
}

TEST(SweepEnds, EndsWithItsTime) {
  Subject subject;
  subject.options().budget.seconds = 0.4;
  auto replay = subject.laboratory();
  SlowLaboratory slow(replay);
  const SweepResult result = sweep_of(subject, slow);
  EXPECT_LT(result.choice.tried, 25);
  EXPECT_GE(result.choice.tried, 1);
}

TEST(SweepEnds, KeepsTheBestSoFarWhenInterruptedAndGoesOnWithoutLoss) {
  Subject subject;
  auto first = subject.laboratory();
  std::int64_t gated = 0;
  subject.options().cancelled = [&] { return first.gated() > 20; };
  const SweepResult result = sweep_of(subject, first);
  gated = first.gated();
  EXPECT_EQ(result.choice.ended, "interrupted");
  EXPECT_LT(result.choice.tried, result.choice.candidates);
  double best = 1;
  for (const Trial& trial : result.trials) best = std::min(best, trial.ratio);
  EXPECT_EQ(result.choice.finalists.front().ratio, best < 0.98 ? best : 1.0);

  subject.options().cancelled = {};
  auto second = subject.laboratory();
  const SweepResult rest = sweep_of(subject, second);
  EXPECT_EQ(rest.choice.finalists.front().config, subject.best().config);
  EXPECT_EQ(rest.taken_over, result.choice.tried);
  EXPECT_LE(gated - rest.taken_over, 4) << "only what was in hand is done again";
  EXPECT_EQ(second.gated() + rest.taken_over, rest.choice.candidates);
}

TEST(SweepEnds, ForgetsNoWinnerForAShorterSweep) {
  for (const bool fresh : {false, true}) {
    Subject subject;
    auto first = subject.laboratory();
    const Config winner = sweep_of(subject, first).choice.finalists.front().config;
    subject.options().fresh = fresh;
    subject.options().seed = 99;
    subject.options().budget.trials = 3;
    auto second = subject.laboratory();
    const SweepResult result = sweep_of(subject, second);
    EXPECT_EQ(result.choice.finalists.front().config, winner) << "fresh " << fresh;
    EXPECT_EQ(second.gated(), fresh ? 3 : 0);
  }
}

TEST(SweepEnds, ForgetsNoWinnerWhenItEndsTooEarlyOrLooksElsewhere) {
  Subject subject;
  auto first = subject.laboratory();
  const Choice before = sweep_of(subject, first).choice;
  subject.options().fresh = true;
  subject.options().budget.trials = 1;
  auto second = subject.laboratory();
  const SweepResult early = sweep_of(subject, second);
  EXPECT_EQ(early.choice, before);
  EXPECT_FALSE(early.raced);
  EXPECT_EQ(*subject.database().load(subject.options().key).choice, before);

  const Config& winner = before.finalists.front().config;
  subject.options().budget.trials = 0;
  subject.options().only = winner.chunk == 16 ? "chunk=32" : "chunk=16";
  auto third = subject.laboratory();
  EXPECT_EQ(sweep_of(subject, third).choice.finalists.front().config, winner);
}

TEST(SweepEnds, RacesAgainAfterARaceThatWasInterrupted) {
  Subject subject;
  bool in_the_final = false;
  subject.options().progress = [&](const TuningProgress& progress) { in_the_final = progress.phase == "final"; };
  subject.options().cancelled = [&] { return in_the_final; };
  auto first = subject.laboratory();
  const SweepResult cut = sweep_of(subject, first);
  EXPECT_EQ(cut.choice.ended, "interrupted");
  EXPECT_EQ(cut.choice.tried, cut.choice.candidates);
  subject.options().progress = {};
  subject.options().cancelled = {};
  auto second = subject.laboratory();
  const SweepResult whole = sweep_of(subject, second);
  EXPECT_EQ(second.gated(), 0);
  EXPECT_TRUE(whole.raced);
  EXPECT_NE(whole.choice.ended, "interrupted");
}

/// No file grows beyond so many bytes while it lives.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(SweepEnds, GivesItsAnswerWhereItCannotWriteItDown) {
  const Subject subject;
  const Database database = subject.database();
  auto laboratory = subject.laboratory();
  expected<SweepResult> result = Error{};
  {
    const FullDisk full(8192);
    result = sweep(database, laboratory, subject.options());
  }
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->choice.finalists.front().config, subject.best().config);
  ASSERT_TRUE(result->unrecorded);
  EXPECT_EQ(result->unrecorded->code, ErrorCode::io);
  const Entry entry = database.load(subject.options().key);
  EXPECT_GT(entry.trials.size(), 3U) << "what fitted is there";
  EXPECT_EQ(entry.damaged, 0);

  auto again = subject.laboratory();
  const SweepResult rest = sweep_of(subject, again);
  EXPECT_EQ(rest.taken_over, static_cast<std::int64_t>(entry.trials.size()));
  EXPECT_FALSE(rest.unrecorded);
}

}  // namespace
}  // namespace osdn::autotune::test
