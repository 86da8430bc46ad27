// A Tuner where nothing can be compiled and nothing was tuned: what the packs say, and what they hold.
#include "runtime/pack.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <mutex>

#include "autotune/database/exchange.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/sweep/tune.hpp"
#include "osdn/tuner.hpp"
#include "runtime/engine_state.hpp"
#include "tests/runtime/support.hpp"

namespace osdn {
namespace {

using runtime::testing::null_options;
using runtime::testing::write_all;

const Shape shape{.b = 2, .t = 1024, .h = 8, .hv = 8};

class ShippedTunings : public testing::Test {
 protected:
  ShippedTunings() {
    runtime::testing::fresh_books();
    const Engine engine = Engine::create(null_options()).value_or_throw();
    architecture_ = engine.state()->architecture().value_or_throw();
    usual_ = generator::default_config(problem_, architecture_).value_or_throw();
    tuned_ = usual_;
    tuned_.chunk = 16;
    entry_.key = autotune::key_of(problem_, shape, engine.device()).value_or_throw();
    autotune::Finalist winner;
    winner.config = tuned_;
    winner.sources = autotune::current_hash(problem_, tuned_, architecture_);
    winner.median_seconds = 1e-3;
    winner.ratio = winner.ratio_low = winner.ratio_high = 0.8;
    autotune::Choice choice;
    choice.shape = shape;
    choice.finalists = {winner};
    choice.default_config = usual_;
    choice.strategy = "exhaustive";
    choice.ended = "separated";
    choice.circumstances.stopwatch = "events";
    entry_.choice = choice;
  }

  /// Of these configurations' kernels, with this text as its tuning entries.
  void pack(const std::vector<Config>& configs, const std::string& tuning) {
    std::mutex mutex;
    std::map<std::string, std::string, std::less<>> entries;
    EngineOptions options = null_options();
    options.host_cache.load = [](std::string_view) { return std::nullopt; };
    options.host_cache.store = [&](std::string_view key, std::string_view entry) {
      const std::lock_guard lock(mutex);
      entries.insert_or_assign(std::string(key), std::string(entry));
    };
    Engine maker = Engine::create(options).value_or_throw();
    runtime::PackContents contents;
    for (const Config& config : configs) (void)maker.prepare(problem_, config).value_or_throw();
    for (const auto& [key, bytes] : entries) contents.entries.push_back(bytes);
    contents.manifest = "{}";
    contents.tuning = tuning;
    write_all(pack_, runtime::encode_pack(contents).value_or_throw());
  }

  /// With that pack, an empty database and a cache that cannot be written.
  Tuner tuner(TuningMode mode = TuningMode::cache) {
    const std::string cache = folder_ / "read-only";
    std::filesystem::create_directory(cache);
    ::chmod(cache.c_str(), 0500);
    messages_.clear();
    EngineOptions options = null_options();
    options.nvrtc_library = "/nowhere/libnvrtc.so.13";
    options.disk_cache = true;
    options.cache_directory = cache;
    options.packs = {pack_};
    options.log = messages_.callback();
    TunerOptions how;
    how.mode = mode;
    return Tuner::create(Engine::create(options).value_or_throw(), how).value_or_throw();
  }

  runtime::testing::TemporaryDirectory folder_;
  runtime::testing::Messages messages_;
  const std::string pack_ = folder_ / "kernels.osdnpack";
  const Problem problem_ =
      canonical({.type = ElementType::bf16, .k = 32, .v = 32, .precondition = Precondition::none}).value_or_throw();
  Config usual_;
  Config tuned_;
  generator::Architecture architecture_;
  autotune::Entry entry_;
};

TEST_F(ShippedTunings, AreWhatPrepareTakesFromThePack) {
  pack({usual_, tuned_}, autotune::export_text({entry_}));
  for (const TuningMode mode : {TuningMode::cache, TuningMode::deterministic}) {
    const TunedOperation found = tuner(mode).prepare(problem_, shape).value_or_throw();
    EXPECT_EQ(found.operation.config(), tuned_);
    EXPECT_EQ(found.operation.kernels()[0].source, "pack");
    EXPECT_EQ(found.provenance->source, TuningSource::shipped);
    EXPECT_NE(found.provenance->explanation.find(pack_), std::string::npos) << found.provenance->explanation;
  }
  const TunedOperation off = tuner(TuningMode::off).prepare(problem_, shape).value_or_throw();
  EXPECT_EQ(off.operation.config(), usual_);
}

TEST_F(ShippedTunings, APinGoesBeforeAChoice) {
  autotune::Pin pin;
  pin.config = usual_;
  entry_.pin = pin;
  pack({usual_, tuned_}, autotune::export_text({entry_}));
  const TunedOperation found = tuner().prepare(problem_, shape).value_or_throw();
  EXPECT_EQ(found.operation.config(), usual_);
  EXPECT_EQ(found.provenance->source, TuningSource::shipped);
}

TEST_F(ShippedTunings, WhatIsTunedButNotPackedIsTheDefaultAndSaysSo) {
  pack({usual_}, autotune::export_text({entry_}));
  const TunedOperation found = tuner().prepare(problem_, shape).value_or_throw();
  EXPECT_EQ(found.operation.config(), usual_);
  EXPECT_EQ(found.provenance->source, TuningSource::heuristic);
  EXPECT_NE(found.provenance->explanation.find(to_string(tuned_)), std::string::npos) << found.provenance->explanation;
}

TEST_F(ShippedTunings, CodeOfATunedChoiceThatTheDriverRefusesIsTheDefault) {
  pack({usual_, tuned_}, autotune::export_text({entry_}));
  Tuner with = tuner();
  null_driver::Books& books = runtime::testing::fresh_books();
  const auto plan = generator::plan(problem_, tuned_, architecture_).value_or_throw();
  books.refused_code = plan.kernels[0].source;  // the code that a fake NVRTC makes is its source
  books.refuse_with = 209;
  const TunedOperation found = with.prepare(problem_, shape).value_or_throw();
  EXPECT_EQ(found.operation.config(), usual_);
  EXPECT_NE(found.provenance->explanation.find("no pack serves"), std::string::npos) << found.provenance->explanation;
}

TEST_F(ShippedTunings, TextsThatAreNoneAreAWarningAndTheCodeServes) {
  const std::string deep(200'000, '[');
  for (const std::string& text : {std::string("no tuning entries"), std::string(1000, '\0'), deep,
                                  "{\"checksum\":\"00000000\"," + deep + "}\n", std::string("\n\n\n")}) {
    pack({usual_}, text);
    const TunedOperation found = tuner().prepare(problem_, shape).value_or_throw();
    EXPECT_EQ(found.operation.config(), usual_);
    EXPECT_EQ(found.operation.kernels()[0].source, "pack");
    EXPECT_NE(messages_.all().find(pack_), std::string::npos) << messages_.all();
  }
  // Of several lines the damaged ones are left out.
  pack({usual_, tuned_}, "no line\n" + autotune::export_text({entry_}) + "{\"torn");
  EXPECT_EQ(tuner().prepare(problem_, shape)->operation.config(), tuned_);
  EXPECT_NE(messages_.all().find("2 damaged lines"), std::string::npos) << messages_.all();
}

TEST_F(ShippedTunings, APackThatGoesAwayMeanwhileKeepsServing) {
  pack({usual_, tuned_}, autotune::export_text({entry_}));
  EngineOptions options = null_options();
  options.nvrtc_library = "/nowhere/libnvrtc.so.13";
  options.packs = {pack_};
  const Engine engine = Engine::create(options).value_or_throw();
  std::filesystem::remove(pack_);
  TunerOptions how;
  how.directory = folder_ / "tuning";
  const Tuner tuner = Tuner::create(engine, how).value_or_throw();
  EXPECT_EQ(tuner.prepare(problem_, shape)->operation.config(), tuned_);
}

}  // namespace
}  // namespace osdn
