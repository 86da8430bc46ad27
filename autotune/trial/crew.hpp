// The laboratory of a real sweep: worker processes (osdn-tune-worker) that compile, check and time candidates, watched:
// one that hangs, faults or dies costs the candidate it worked on and is started anew.
#pragma once

#include <memory>
#include <string>

#include "autotune/laboratory.hpp"
#include "osdn/engine.hpp"
#include "osdn/error.hpp"
#include "runtime/log.hpp"

namespace osdn::autotune {

enum class StopwatchKind {
  automatic,  ///< events on a device, modelled on the emulator
  events,     ///< device events around graph replays
  modelled,   ///< the emulator's timing model; emulator only
};

struct CrewOptions {
  std::string worker;      ///< the program; empty: $OSDN_TUNE_WORKER, else osdn-tune-worker beside this library
  Problem problem;         ///< canonical
  Shape shape;             ///< that is timed
  EngineOptions engine;    ///< device, libraries and cache directory for the workers
  std::string arch;        ///< for an emulated device: what it poses as, "sm_90"; empty: as it is
  int compilers = 0;       ///< worker processes that compile; 0: one per core, as far as memory allows
  std::uint64_t seed = 1;  ///< of the gate's inputs and of the order within rounds
  StopwatchKind stopwatch = StopwatchKind::automatic;
  double compile_seconds = 120;  ///< patience for one compilation
  double run_seconds = 60;       ///< for one gate, or one round of a measurement
  runtime::Log log;
};

/// Where the worker program is. Errors: library_not_found listing every place that was looked at.
expected<std::string> find_worker(const std::string& option);

/// Starts the workers as they are needed. Errors: library_not_found, io.
expected<std::unique_ptr<Laboratory>> make_crew(const CrewOptions& options);

/// "events" or "modelled": what a crew of these options measures with on this device.
[[nodiscard]] std::string stopwatch_name(StopwatchKind kind, bool emulated);

}  // namespace osdn::autotune
