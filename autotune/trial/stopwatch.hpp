// How long a candidate takes. docs/autotuning-measurement.md
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "autotune/laboratory.hpp"
#include "osdn/engine.hpp"

namespace osdn::autotune {

class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  /// Every round times each operation once. `about` is told which one is next. A broken one ends it.
  virtual Measurement measure(const std::vector<PreparedOperation>& operations, int rounds,
                              const std::function<void(std::size_t)>& about) = 0;
};

struct StopwatchSettings {
  Engine engine;
  Problem problem;
  Shape shape;
  std::uint64_t seed = 1;  ///< of the order within rounds
};

/// The emulator's timing model. Errors: library_not_found, driver, out_of_memory.
expected<std::unique_ptr<Stopwatch>> modelled_stopwatch(const StopwatchSettings& settings);

}  // namespace osdn::autotune
