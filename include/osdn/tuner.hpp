// Tuner: gives every problem and shape the fastest configuration that is known for this GPU, and finds it when asked
// to. docs/autotuning.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/engine.hpp"
#include "osdn/export.h"

namespace osdn {

enum class TuningMode {
  off,            ///< the default configuration, always
  cache,          ///< what the tuning database knows, else the default; nothing is ever timed
  tune,           ///< as cache, but an exact entry that is missing is found now, within the budget
  deterministic,  ///< pinned entries and read-only files only, else the default: the same answer on every run
};

/// Which rung of the look-up ladder a configuration came from, best first.
enum class TuningSource {
  pinned,          ///< an entry that `osdn db pin` fixed for this problem, bucket and GPU
  exact,           ///< tuned for this problem and shape bucket on this GPU
  nearest_bucket,  ///< tuned for this problem on this GPU, at other sizes
  arch_family,     ///< tuned for this problem on another GPU of the same compute capability
  shipped,         ///< from a read-only file, or the entries that the library carries
  heuristic,       ///< the default configuration: nothing is known
};
[[nodiscard]] OSDN_API const char* name(TuningSource source);

/// Where a configuration came from, for logs and for people.
struct TuningProvenance {
  TuningSource source = TuningSource::heuristic;
  std::string explanation;  ///< one sentence: which entry, from when, of which GPU, how much faster than the default
};

/// What a sweep may cost.
struct TuningBudget {
  double seconds = 60;      ///< wall time; 0: no limit
  std::int64_t trials = 0;  ///< candidates compiled, checked and timed; 0: no limit
};

struct TuningProgress {
  Problem problem;
  Shape shape;
  std::int64_t done = 0;       ///< candidates of this sweep that are settled
  std::int64_t total = 0;      ///< that will be, as far as is known
  double seconds_left = 0;     ///< an estimate; negative: not known yet
  double default_seconds = 0;  ///< time of the default configuration; 0: not known yet
  double best_seconds = 0;     ///< of the best so far
  std::string phase;           ///< "compiling", "checking", "timing", "final", "waiting for another process"
};

struct TunerOptions {
  TuningMode mode = TuningMode::cache;
  /// Of the tuning database; empty: $OSDN_TUNING_DIR, else `tuning` in the compile cache's directory.
  std::string directory{};
  /// Exports (`osdn db export`) that are looked at and never written.
  std::vector<std::string> read_only{};
  TuningBudget budget{};   ///< of one sweep, in mode tune
  std::uint64_t seed = 1;  ///< of the order in which candidates are tried
  /// The program that runs candidates (osdn-tune-worker); empty: $OSDN_TUNE_WORKER, else beside this library.
  std::string worker{};
  /// Lets several ranks use the same configuration. Called once for each problem and shape bucket that prepare meets
  /// for the first time, with a key that is the same on all ranks and with the configuration that this rank would use
  /// (its text form); returns what all use. Every rank must meet new keys in the same order.
  /// Must not throw. Empty: no agreement.
  std::function<std::string(std::string_view key, std::string_view proposal)> agree{};
  /// Called by the thread that sweeps: by several at once where several prepare. Must not throw.
  std::function<void(const TuningProgress&)> progress{};
  /// Appends every problem and shape that prepare meets for the first time to this file, for `osdn tune --from-trace`;
  /// empty: $OSDN_TUNING_TRACE, else none.
  std::string trace{};
};

/// A prepared operation and why it has the configuration that it has.
struct TunedOperation {
  PreparedOperation operation;
  std::shared_ptr<const TuningProvenance> provenance;
};

/// A problem and the shapes it will be called with.
struct WarmUpItem {
  Problem problem;
  std::vector<Shape> shapes;
};

struct WarmUpOptions {
  int threads = 0;  ///< that prepare at the same time; 0: one per core
  /// Called after each item of (problem, shape), from any of the threads, one call at a time.
  std::function<void(std::size_t done, std::size_t total)> progress{};
  /// Asked before each item; true: what is left is not prepared.
  std::function<bool()> cancelled{};
};

struct WarmUpReport {
  std::size_t prepared = 0;
  std::size_t skipped = 0;            ///< after cancellation
  std::vector<std::string> failures;  ///< one line each: problem, shape, error
};

class TunerState;

/// Thread-safe; copies share everything. Stands on an Engine, which it keeps alive.
class OSDN_API Tuner {
 public:
  /// Errors: library_not_found (the worker program is missing in mode tune), io and corrupt (a read-only file),
  /// unsupported (the device's architecture). A database that cannot be used is a warning, and then nothing is
  /// remembered.
  static expected<Tuner> create(const Engine& engine, const TunerOptions& options = {});

  /// The operation in the configuration that is best known for shapes like this one (a bucket: powers of two of
  /// sequences · hv and of tokens per sequence). The first call for a bucket looks into the database, compiles, and in
  /// mode tune may run a sweep; later ones cost well under a microsecond, without a lock. `stream`: where it will be
  /// launched; when that one is capturing, what is not at hand is not_prepared and nothing is compiled.
  /// Errors: those of Engine::prepare, not_prepared.
  expected<TunedOperation> prepare(const Problem& problem, const Shape& shape, Stream stream = nullptr) const;

  /// Prepares many before serving, in parallel (one after the other with TunerOptions::agree). What fails is in the
  /// report. Errors: none so far.
  expected<WarmUpReport> warm_up(std::span<const WarmUpItem> items, const WarmUpOptions& options = {}) const;

  /// What it stands on; for the library's own rooms.
  [[nodiscard]] const std::shared_ptr<TunerState>& state() const { return state_; }

 private:
  explicit Tuner(std::shared_ptr<TunerState> state) : state_(std::move(state)) {}
  std::shared_ptr<TunerState> state_;
};

}  // namespace osdn
