// What a Tuner adds to a call: looking a tuned configuration up, the first time and ever after. The driver does
// nothing.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "autotune/database/database.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/sweep/tune.hpp"
#include "bench/null_driver.hpp"
#include "bench/subject.hpp"
#include "osdn/tuner.hpp"
#include "runtime/engine_state.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::bench {
namespace {

const Shape shape{.b = 4, .t = 8192, .h = 32, .hv = 32};

/// A device that does nothing, and a database with one entry for it.
class Stage {
 public:
  Stage() : engine_(make_engine(folder() / "cache")) {
    autotune::DatabaseOptions options;
    options.directory = directory();
    const auto database = autotune::Database::open(std::move(options)).value_or_throw();
    const auto key = autotune::key_of(subject(), shape, engine_.device()).value_or_throw();
    const auto architecture = engine_.state()->architecture().value_or_throw();
    autotune::Choice choice;
    choice.shape = shape;
    choice.default_config = generator::default_config(key.problem, architecture).value_or_throw();
    autotune::Finalist winner;
    winner.config = choice.default_config;
    winner.config.stages = winner.config.stages == 1 ? 2 : 1;
    winner.config.chunk = 32;
    winner.sources = autotune::current_hash(key.problem, winner.config, architecture);
    winner.median_seconds = 1e-3;
    winner.ratio = winner.ratio_low = winner.ratio_high = 0.9;
    choice.finalists = {winner};
    choice.ended = "separated";
    choice.strategy = "exhaustive";
    choice.circumstances.stopwatch = "events";
    database.append(key, choice).value_or_throw();
  }
  [[nodiscard]] std::string directory() const { return folder() / "tuning"; }
  [[nodiscard]] Tuner tuner() const {
    TunerOptions options;
    options.directory = directory();
    return Tuner::create(engine_, options).value_or_throw();
  }

 private:
  static Engine make_engine(const std::string& cache) {
    return Engine::create({.driver_library = null_driver_library(), .cache_directory = cache}).value_or_throw();
  }

  static const osdn::test::TemporaryDirectory& folder() {
    static const osdn::test::TemporaryDirectory made;
    return made;
  }

  Engine engine_;
};

Stage& stage() {
  // Never destroyed: the driver's own thread-local stack of contexts goes before anything static does.
  static auto& made = *new Stage;
  return made;
}

void check(const TunedOperation& found) {
  if (found.provenance->source != TuningSource::exact) throw std::runtime_error(found.provenance->explanation);
}

/// A Tuner that knows nothing yet finds the entry in the database and its kernels in the Engine.
void first_look_up(benchmark::State& state) {
  const auto warm = stage().tuner();
  check(warm.prepare(subject(), shape).value_or_throw());
  for (auto _ : state) {
    state.PauseTiming();
    const auto tuner = stage().tuner();
    state.ResumeTiming();
    benchmark::DoNotOptimize(tuner.prepare(subject(), shape).value_or_throw());
  }
}
BENCHMARK(first_look_up)->Unit(benchmark::kMicrosecond);

/// Every later call, from one thread and from several.
void later_look_up(benchmark::State& state) {
  static const auto& tuner = *new Tuner(stage().tuner());
  check(tuner.prepare(subject(), shape).value_or_throw());
  const Problem problem = subject();
  for (auto _ : state) benchmark::DoNotOptimize(tuner.prepare(problem, shape));
}
BENCHMARK(later_look_up)->Threads(1)->Threads(2);

}  // namespace
}  // namespace osdn::bench
