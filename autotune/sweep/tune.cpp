#include "autotune/sweep/tune.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/engine_state.hpp"
#include "runtime/file_lock.hpp"

namespace osdn::autotune {
namespace {

using runtime::FileLock;

// Who holds the lock may spend the same budget, and its last trial and its final may exceed that.
constexpr double patience_per_budget = 1.5;

/// The lock of a key's sweep. Holds nothing where nothing is remembered or no locks are to be had.
expected<std::unique_ptr<FileLock>> sweep_lock(const Database& database, const Key& key, const Shape& shape,
                                               const TuneOptions& options) {
  if (!database.refusal().empty()) return std::unique_ptr<FileLock>();
  const std::string path = sweep_lock_path(database, key);
  const auto began = std::chrono::steady_clock::now();
  bool waited = false;
  while (true) {
    auto lock = std::make_unique<FileLock>(path, std::chrono::milliseconds(200));
    if (!lock->busy()) {
      if (!waited || !options.found_by_another || !options.found_by_another()) return lock;
      return Error{ErrorCode::not_prepared, "another process has just tuned it", {}};
    }
    waited = true;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const bool impatient = options.budget.seconds > 0 && seconds > patience_per_budget * options.budget.seconds;
    if (impatient || (options.cancelled && options.cancelled())) {
      return Error{ErrorCode::not_prepared,
                   fmt::format("another process is tuning {} and holds {}; ask again when it is done",
                               to_string(key.problem), path),
                   {}};
    }
    if (options.progress) {
      TuningProgress progress;
      progress.problem = key.problem;
      progress.shape = shape;
      progress.seconds_left = -1;
      progress.phase = "waiting for another process";
      options.progress(progress);
    }
  }
}

CrewOptions crew_options(const EngineState& engine, const Key& key, const Shape& shape, const TuneOptions& options) {
  CrewOptions crew;
  crew.worker = options.worker;
  crew.problem = key.problem;
  crew.shape = shape;
  crew.engine = engine.options();
  crew.engine.validate = false;
  crew.engine.driver_library = engine.description().driver_library;
  crew.engine.nvrtc_library = engine.description().nvrtc_library;
  if (engine.description().emulated) {
    crew.arch = fmt::format("sm_{}", engine.description().arch);
    crew.run_seconds *= 10;  // software takes its time, and a kernel that loops meets the emulator's own limit
  }
  crew.compilers = options.compilers;
  crew.seed = options.seed;
  crew.stopwatch = options.stopwatch;
  crew.log = options.log;
  return crew;
}

Circumstances circumstances(const DeviceDescription& device, StopwatchKind stopwatch) {
  Circumstances out;
  out.driver_version = device.driver_version;
  out.nvrtc_version = device.nvrtc_version;
  out.library_version = OSDN_VERSION;
  out.stopwatch = stopwatch_name(stopwatch, device.emulated);
  return out;
}

}  // namespace

std::string sweep_lock_path(const Database& database, const Key& key) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a: names a file, no more
  for (const char c : to_string(key.problem) + '|' + to_string(key.bucket) + '|' + to_string(key.gpu)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  return fmt::format("{}/sweep-{:016x}.lock", database.directory(), hash);
}

expected<Key> key_of(const Problem& problem, const Shape& shape, const DeviceDescription& device) {
  auto exact = canonical(problem);
  if (!exact) return exact.error();
  if (auto good = validate(shape); !good) return good.error();
  return Key{*exact, bucket_of(shape), gpu_of(device)};
}

expected<SweepResult> tune(const Engine& engine, const Database& database, const Problem& problem, const Shape& shape,
                           const TuneOptions& options) {
  const auto key = key_of(problem, shape, engine.device());
  if (!key) return key.error();
  if (shape.t == 0) {
    return Error{ErrorCode::invalid_argument, "the shape to tune for has t = 0; allowed: at least one token", {}};
  }
  auto architecture = engine.state()->architecture();
  if (!architecture) return architecture.error();
  // Before there is a crew: who waits needs no workers, nor their memory on the device.
  auto lock = sweep_lock(database, *key, shape, options);
  if (!lock) return lock.error();
  auto crew = make_crew(crew_options(*engine.state(), *key, shape, options));
  if (!crew) return crew.error();

  SweepOptions sweeping;
  sweeping.key = *key;
  sweeping.shape = shape;
  sweeping.architecture = *architecture;
  sweeping.budget = options.budget;
  sweeping.seed = options.seed;
  sweeping.only = options.only;
  sweeping.fresh = options.fresh;
  sweeping.circumstances = circumstances(engine.device(), options.stopwatch);
  sweeping.progress = options.progress;
  sweeping.settled = options.settled;
  sweeping.cancelled = options.cancelled;
  return sweep(database, **crew, sweeping);
}

}  // namespace osdn::autotune
