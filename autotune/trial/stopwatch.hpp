// How long a candidate takes. docs/autotuning-measurement.md
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autotune/laboratory.hpp"
#include "osdn/engine.hpp"
#include "runtime/log.hpp"

namespace osdn::autotune {

class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  /// Told before anything that may take long: what ("timing", "waiting"), and with which operation.
  using About = std::function<void(const char* doing, std::size_t index)>;
  /// Every round times each operation once. A broken one ends it.
  virtual Measurement measure(const std::vector<PreparedOperation>& operations, int rounds, const About& about) = 0;
};

struct StopwatchSettings {
  Engine engine;
  Problem problem;
  Shape shape;
  std::uint64_t seed = 1;      ///< of the order within rounds
  std::string lock_directory;  ///< of the lock of the physical device
  runtime::Log log;
};

/// Device events around replays of a graph. Errors: driver, out_of_memory.
expected<std::unique_ptr<Stopwatch>> events_stopwatch(const StopwatchSettings& settings);

/// The emulator's timing model. Errors: library_not_found, driver, out_of_memory.
expected<std::unique_ptr<Stopwatch>> modelled_stopwatch(const StopwatchSettings& settings);

}  // namespace osdn::autotune
