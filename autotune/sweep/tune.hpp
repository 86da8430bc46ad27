// Tuning one problem at one shape on an Engine's device: the sweep with everything that it needs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "autotune/database/database.hpp"
#include "autotune/sweep/sweep.hpp"
#include "autotune/trial/crew.hpp"
#include "osdn/engine.hpp"

namespace osdn::autotune {

struct TuneOptions {
  TuningBudget budget{};
  std::uint64_t seed = 1;
  std::string only;    ///< see make_space
  bool fresh = false;  ///< measure everything again
  std::string worker;  ///< see find_worker
  StopwatchKind stopwatch = StopwatchKind::automatic;
  int compilers = 0;  ///< see CrewOptions
  std::function<void(const TuningProgress&)> progress{};
  std::function<void(const Trial&)> settled{};  ///< called when a trial of this sweep is in the database
  std::function<bool()> cancelled{};
  /// Asked after another process was waited for; true: what that one found will do, and tune ends with not_prepared.
  std::function<bool()> found_by_another{};
  runtime::Log log;
};

/// The key that a problem at a shape has on this device. Errors: those of canonical and of validate(Shape).
expected<Key> key_of(const Problem& problem, const Shape& shape, const DeviceDescription& device);

/// The file that a process locks while it sweeps a key.
[[nodiscard]] std::string sweep_lock_path(const Database& database, const Key& key);

/// One process at a time sweeps a key of a database; others wait, and then find its trials. Errors: those of make_crew
/// and sweep; not_prepared when half as much again as the budget, or the caller's patience, ended while another process
/// was at it, and see found_by_another.
expected<SweepResult> tune(const Engine& engine, const Database& database, const Problem& problem, const Shape& shape,
                           const TuneOptions& options);

}  // namespace osdn::autotune
