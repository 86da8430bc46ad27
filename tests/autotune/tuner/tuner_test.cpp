// What a Tuner gives in each of its modes, and what it does to get it. Sweeps of their own: tests/cli/tune_test.cpp.
#include "osdn/tuner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "autotune/database/database.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/sweep/tune.hpp"
#include "autotune/trace.hpp"
#include "runtime/engine_state.hpp"
#include "runtime/file_lock.hpp"
#include "tests/runtime/support.hpp"

namespace osdn {
namespace {

using autotune::Database;
using autotune::Key;
using runtime::testing::fresh_books;
using runtime::testing::null_options;
using runtime::testing::read_all;
using runtime::testing::ScopedVariable;
using runtime::testing::TemporaryDirectory;

const Shape shape{.b = 2, .t = 1024, .h = 8, .hv = 8};

Problem small() {
  return {.type = ElementType::bf16, .k = 32, .v = 32, .precondition = Precondition::none};
}

class Tuners : public testing::Test {
 protected:
  Tuners() : engine_(make_engine()), architecture_(engine_.state()->architecture().value_or_throw()) {}

  Engine make_engine() {
    fresh_books();
    EngineOptions options = null_options();
    options.log = messages_.callback();
    return Engine::create(options).value_or_throw();
  }
  TunerOptions options(TuningMode mode) {
    TunerOptions options;
    options.mode = mode;
    options.directory = directory();
    return options;
  }
  Tuner tuner(TuningMode mode) { return Tuner::create(engine_, options(mode)).value_or_throw(); }
  [[nodiscard]] std::string directory() const { return folder_ / "tuning"; }
  [[nodiscard]] Database database() const {
    autotune::DatabaseOptions options;
    options.directory = directory();
    return Database::open(std::move(options)).value_or_throw();
  }
  [[nodiscard]] Key key(const Shape& at = shape) const {
    return autotune::key_of(small(), at, engine_.device()).value_or_throw();
  }
  [[nodiscard]] Config usual() const {
    return generator::default_config(key().problem, architecture_).value_or_throw();
  }
  [[nodiscard]] Config other(int chunk = 16) const {
    Config config = usual();
    config.chunk = chunk;
    return config;
  }
  /// As a sweep leaves it.
  void enter(const Key& at, const Config& config) const {
    autotune::Finalist winner;
    winner.config = config;
    winner.sources = autotune::current_hash(at.problem, config, architecture_);
    winner.median_seconds = 1e-3;
    winner.ratio = winner.ratio_low = winner.ratio_high = 0.8;
    autotune::Choice choice;
    choice.shape = shape;
    choice.finalists = {winner};
    choice.default_config = usual();
    choice.strategy = "exhaustive";
    choice.ended = "separated";
    choice.circumstances.stopwatch = "events";
    database().append(at, choice).value_or_throw();
  }

  TemporaryDirectory folder_;
  runtime::testing::Messages messages_;
  Engine engine_;
  generator::Architecture architecture_;
};

TEST_F(Tuners, KnowNothingAtFirst) {
  for (const TuningMode mode : {TuningMode::off, TuningMode::cache, TuningMode::deterministic}) {
    const TunedOperation found = tuner(mode).prepare(small(), shape).value_or_throw();
    EXPECT_EQ(found.operation.config(), usual());
    EXPECT_EQ(found.provenance->source, TuningSource::heuristic);
    EXPECT_FALSE(found.provenance->explanation.empty());
  }
}

TEST_F(Tuners, TakeTheEntryOfTheBucket) {
  enter(key(), other());
  const Tuner cache = tuner(TuningMode::cache);
  const TunedOperation found = cache.prepare(small(), shape).value_or_throw();
  EXPECT_EQ(found.operation.config(), other());
  EXPECT_EQ(found.provenance->source, TuningSource::exact) << found.provenance->explanation;
  // The bucket's other shapes share it, and others are near.
  EXPECT_EQ(cache.prepare(small(), {.b = 4, .t = 1100, .h = 4, .hv = 4})->provenance->source, TuningSource::exact);
  EXPECT_EQ(cache.prepare(small(), {.b = 4, .t = 64, .h = 4, .hv = 4})->provenance->source,
            TuningSource::nearest_bucket);

  EXPECT_EQ(tuner(TuningMode::off).prepare(small(), shape)->operation.config(), usual());
  EXPECT_EQ(tuner(TuningMode::deterministic).prepare(small(), shape)->operation.config(), usual());
}

TEST_F(Tuners, TakePinsBeforeAll) {
  enter(key(), other());
  autotune::Pin pin;
  pin.config = other(32);
  database().append(key(), pin).value_or_throw();
  for (const TuningMode mode : {TuningMode::cache, TuningMode::deterministic}) {
    const TunedOperation found = tuner(mode).prepare(small(), shape).value_or_throw();
    EXPECT_EQ(found.operation.config(), other(32));
    EXPECT_EQ(found.provenance->source, TuningSource::pinned);
  }
}

TEST_F(Tuners, AnswerAgainWithoutTheDatabaseOrTheDriver) {
  enter(key(), other());
  const Tuner cache = tuner(TuningMode::cache);
  const TunedOperation first = cache.prepare(small(), shape).value_or_throw();
  std::filesystem::remove_all(directory());
  null_driver::Books& books = fresh_books();
  const TunedOperation again = cache.prepare(small(), shape).value_or_throw();
  EXPECT_TRUE(books.calls.empty()) << books.calls.front();
  EXPECT_EQ(again.operation.state(), first.operation.state());
  EXPECT_EQ(again.provenance, first.provenance);
}

TEST_F(Tuners, CompileNothingWhileAStreamCaptures) {
  const Tuner cache = tuner(TuningMode::cache);
  const TunedOperation at_hand = cache.prepare(small(), shape).value_or_throw();
  null_driver::Books& books = fresh_books();
  books.capture_status = 1;
  const auto before = engine_.cache_statistics().misses;
  Problem unknown = small();
  unknown.k = 64;
  const auto missed = cache.prepare(unknown, shape, nullptr);
  ASSERT_FALSE(missed);
  EXPECT_EQ(missed.error().code, ErrorCode::not_prepared);
  EXPECT_EQ(engine_.cache_statistics().misses, before);
  EXPECT_TRUE(cache.prepare(small(), shape)) << "what is at hand is given out";

  // The legacy stream answers with an error while another one captures.
  books.capture_status = 0;
  books.fail_entry = "cuStreamIsCapturing";
  books.fail_entry_with = 906;
  EXPECT_EQ(cache.prepare(unknown, shape).error().code, ErrorCode::not_prepared);
  // A context that an earlier kernel's fault took down captures nothing, and says what it died of.
  books.fail_entry_with = 700;
  const auto faulted = cache.prepare(unknown, shape);
  ASSERT_FALSE(faulted);
  EXPECT_EQ(faulted.error().code, ErrorCode::driver);
  EXPECT_NE(faulted.error().message.find("asking whether the stream is capturing"), std::string::npos);
  books.fail_entry_with = 0;
  books.fail_entry.clear();
  EXPECT_TRUE(cache.prepare(unknown, shape));
}

TEST_F(Tuners, AgreeWithOtherRanks) {
  enter(key(), other());
  std::vector<std::string> asked;
  TunerOptions with = options(TuningMode::cache);
  const std::string rank_0 = to_string(other(32));
  with.agree = [&](std::string_view name, std::string_view proposal) {
    asked.emplace_back(name);
    EXPECT_EQ(proposal, to_string(other()));
    return rank_0;
  };
  const Tuner ranked = Tuner::create(engine_, with).value_or_throw();
  const TunedOperation found = ranked.prepare(small(), shape).value_or_throw();
  EXPECT_EQ(found.operation.config(), other(32));
  EXPECT_NE(found.provenance->explanation.find("agreed"), std::string::npos);
  EXPECT_TRUE(ranked.prepare(small(), shape));
  ASSERT_EQ(asked.size(), 1U) << "once for each key";
  EXPECT_NE(asked[0].find(to_string(key().problem)), std::string::npos);

  int times = 0;
  with.agree = [&](std::string_view, std::string_view) {
    ++times;
    return std::string("chunk=17");
  };
  const Tuner misled = Tuner::create(engine_, with).value_or_throw();
  const auto nonsense = misled.prepare(small(), shape);
  EXPECT_FALSE(misled.prepare(small(), shape));
  EXPECT_EQ(times, 1) << "a failure is no reason to be out of step with other ranks";
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code, ErrorCode::invalid_argument);
}

TEST_F(Tuners, OutliveCallbacksThatThrow) {
  TunerOptions with = options(TuningMode::cache);
  int calls = 0;
  with.agree = [&](std::string_view, std::string_view proposal) -> std::string {
    if (++calls == 1) throw 42;
    if (calls == 2) throw std::runtime_error("no rank answers");
    return std::string(proposal);
  };
  const Tuner ranked = Tuner::create(engine_, with).value_or_throw();
  EXPECT_EQ(ranked.prepare(small(), shape).error().code, ErrorCode::internal);
  EXPECT_EQ(ranked.prepare(small(), shape).error().message, "no rank answers");
  EXPECT_TRUE(ranked.prepare(small(), shape));
}

TEST_F(Tuners, LogWhatTheyMeet) {
  TunerOptions with = options(TuningMode::cache);
  with.trace = folder_ / "trace.jsonl";
  const Tuner tracing = Tuner::create(engine_, with).value_or_throw();
  const Shape longer{.b = 2, .t = 9000, .h = 8, .hv = 8};
  const Shape empty{.b = 64, .t = 0, .h = 8, .hv = 8};  // nothing to tune for
  for (const Shape& at : {shape, empty, longer, shape}) EXPECT_TRUE(tracing.prepare(small(), at));
  const auto lines = autotune::parse_trace(read_all(with.trace)).value_or_throw();
  const std::vector<autotune::TraceLine> expected = {{key().problem, shape}, {key().problem, longer}};
  EXPECT_EQ(lines, expected);

  const ScopedVariable variable("OSDN_TUNING_TRACE", folder_ / "by_variable.jsonl");
  EXPECT_TRUE(tuner(TuningMode::off).prepare(small(), shape));
  EXPECT_EQ(autotune::parse_trace(read_all(folder_ / "by_variable.jsonl")).value_or_throw().size(), 1U);
}

TEST_F(Tuners, PrepareOnceForManyThreads) {
  const Tuner cache = tuner(TuningMode::cache);
  std::vector<std::thread> threads;
  std::vector<const PreparedState*> found(16);
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] { found[i] = cache.prepare(small(), shape).value_or_throw().operation.state().get(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(found.begin(), found.end(), found[0]), 16);
  EXPECT_EQ(engine_.cache_statistics().misses, 1U);
}

TEST_F(Tuners, WarmUpManyAndSayHowFar) {
  std::vector<WarmUpItem> items;
  for (const int k : {16, 32, 48, 64}) {
    Problem problem = small();
    problem.k = k;
    items.push_back({problem, {shape, {.b = 1, .t = 64, .h = 2, .hv = 2}}});
  }
  Problem impossible = small();
  impossible.k = 100;
  items.push_back({impossible, {shape}});
  const Tuner cache = tuner(TuningMode::cache);
  WarmUpOptions how;
  how.threads = 4;
  std::vector<std::size_t> told;
  how.progress = [&](std::size_t done, std::size_t total) {
    EXPECT_EQ(total, 9U);
    told.push_back(done);
  };
  const WarmUpReport report = cache.warm_up(items, how).value_or_throw();
  EXPECT_EQ(report.prepared, 8U);
  EXPECT_EQ(report.skipped, 0U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_NE(report.failures[0].find("k was '100'"), std::string::npos) << report.failures[0];
  EXPECT_EQ(told, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));

  const auto misses = engine_.cache_statistics().misses;
  EXPECT_TRUE(cache.prepare(items[2].problem, shape));
  EXPECT_EQ(engine_.cache_statistics().misses, misses);
}

TEST_F(Tuners, StopWarmingUpWhenAsked) {
  std::vector<WarmUpItem> items = {{small(), {}}};
  for (std::int64_t t = 1; t < 1000; t *= 2) items[0].shapes.push_back({.b = 1, .t = t, .h = 1, .hv = 1});
  WarmUpOptions how;
  how.threads = 2;
  std::atomic<int> left = 3;
  how.cancelled = [&] { return left-- <= 0; };
  const WarmUpReport report = tuner(TuningMode::cache).warm_up(items, how).value_or_throw();
  EXPECT_EQ(report.prepared, 3U);
  EXPECT_EQ(report.prepared + report.skipped, items[0].shapes.size());
}

TEST_F(Tuners, MeetKeysInOrderWhileRanksAgree) {
  std::vector<WarmUpItem> items = {{small(), {}}};
  std::vector<std::string> expected;
  for (std::int64_t t = 1; t < 100'000; t *= 2) {
    items[0].shapes.push_back({.b = 1, .t = t, .h = 1, .hv = 1});
    expected.push_back(to_string(key().problem) + ' ' + to_string(autotune::bucket_of(items[0].shapes.back())));
  }
  TunerOptions with = options(TuningMode::cache);
  std::vector<std::string> asked;
  with.agree = [&](std::string_view name, std::string_view proposal) {
    asked.emplace_back(name);
    return std::string(proposal);
  };
  WarmUpOptions how;
  how.threads = 8;
  EXPECT_TRUE(Tuner::create(engine_, with).value_or_throw().warm_up(items, how));
  EXPECT_EQ(asked, expected);
}

TEST_F(Tuners, RefuseToTuneWithoutAWorker) {
  TunerOptions with = options(TuningMode::tune);
  with.worker = folder_ / "no-such-program";
  const auto none = Tuner::create(engine_, with);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::library_not_found);
  EXPECT_NE(none.error().message.find("no-such-program"), std::string::npos) << none.error().message;
}

// The worker is none: a sweep of its own would fail.
TEST_F(Tuners, TakeWhatAnotherProcessFoundWhileTheyWaited) {
  for (const bool released : {true, false}) {
    std::filesystem::remove_all(directory());
    TunerOptions with = options(TuningMode::tune);
    with.worker = "/bin/true";
    with.budget.seconds = released ? 60 : 0.5;
    auto held =
        std::make_unique<runtime::FileLock>(autotune::sweep_lock_path(database(), key()), std::chrono::milliseconds(0));
    ASSERT_TRUE(held->held());
    bool entered = false;
    with.progress = [&](const TuningProgress& progress) {
      EXPECT_EQ(progress.phase, "waiting for another process");
      if (!std::exchange(entered, true)) enter(key(), other());
      if (released) held.reset();
    };
    const TunedOperation found = Tuner::create(engine_, with).value_or_throw().prepare(small(), shape).value_or_throw();
    EXPECT_TRUE(entered);
    EXPECT_EQ(found.operation.config(), other());
    EXPECT_EQ(found.provenance->source, TuningSource::exact) << found.provenance->explanation;
  }
}

TEST_F(Tuners, WorkWithoutADatabase) {
  TunerOptions with = options(TuningMode::cache);
  with.directory = "/proc/no/such/place";
  const Tuner forgetful = Tuner::create(engine_, with).value_or_throw();
  EXPECT_EQ(forgetful.prepare(small(), shape)->operation.config(), usual());
  EXPECT_EQ(messages_.warnings().size(), 1U) << messages_.all();
}

TEST_F(Tuners, RefuseReadOnlyFilesThatAreNone) {
  TunerOptions with = options(TuningMode::cache);
  with.read_only = {folder_ / "missing.jsonl"};
  const auto none = Tuner::create(engine_, with);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("missing.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace osdn
