// What a sweep asks of the world: to compile, check and time candidates. A crew of worker processes does it
// (trial/crew.hpp); recorded trials replay it (search/replay.hpp).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autotune/trial.hpp"
#include "osdn/config.hpp"

namespace osdn::autotune {

/// `outcome` is passed when all is well; else `reason` says in one line what was not.
struct Verdict {
  Outcome outcome = Outcome::passed;
  std::string reason;
  /// The laboratory is at fault (no worker can be started), not the candidate: nothing is known of it, and nothing is
  /// to be written down.
  bool laboratory_lost = false;
};

struct Compiled {
  Verdict verdict;  ///< passed or refused, hung, died
  Resources resources;
};

/// Interleaved samples: every round times each configuration once, in an order of its own.
struct Measurement {
  std::vector<std::vector<double>> rounds;  ///< [round][config], seconds of one operation; whole rounds only
  /// A configuration that broke and ended the measurement: its index, and how. It must not be timed again.
  struct Breakage {
    std::size_t index = 0;
    Verdict verdict;
  };
  std::optional<Breakage> broken;
};

class Laboratory {
 public:
  virtual ~Laboratory() = default;
  /// Compiles a candidate through the compile cache. May be called from `compilers()` threads at the same time.
  virtual Compiled compile(const Config& config) = 0;
  [[nodiscard]] virtual int compilers() const = 0;
  /// Compares with float64 on adversarial inputs. One thread.
  virtual Verdict gate(const Config& config) = 0;
  /// One thread. Errors: driver, io: the device is gone for good, the sweep ends.
  virtual expected<Measurement> measure(std::span<const Config> configs, int rounds) = 0;
  /// Whether every sample of a configuration is the same: then one is enough.
  [[nodiscard]] virtual bool deterministic() const = 0;
};

}  // namespace osdn::autotune
