// The device side of a worker: checks and times candidates.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autotune/trial/gate.hpp"
#include "autotune/trial/messages.hpp"
#include "autotune/trial/stopwatch.hpp"
#include "autotune/trial/worker.hpp"

namespace osdn::autotune {

class Bench {
 public:
  /// Errors: those of Engine::create; library_not_found, invalid_argument: `arch` for something else than the emulator.
  static expected<std::unique_ptr<Bench>> open(const Setup& setup, const WorkerHooks& hooks, LogCallback log);
  ~Bench();

  [[nodiscard]] const Ready& ready() const { return ready_; }

  /// Told what is about to be done with which of the candidates, before it may hang.
  using About = std::function<void(const char* doing, std::size_t index)>;

  struct Checked {
    Verdict verdict;
    bool lost = false;  ///< the context may be dead
  };
  Checked gate(const Config& config, const About& about);
  /// Errors: what keeps every candidate from being timed.
  expected<Measurement> measure(const std::vector<Config>& configs, int rounds, const About& about);

 private:
  Bench(const Setup& setup, const WorkerHooks& hooks, Engine engine, Ready ready, LogCallback log);
  expected<PreparedOperation> prepare(const Config& config);
  Verdict with_fault(Verdict verdict) const;

  class Memory;
  Setup setup_;
  const WorkerHooks& hooks_;
  Engine engine_;
  Ready ready_;
  runtime::Log log_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Stopwatch> stopwatch_;
  std::map<std::string, PreparedOperation> prepared_;
};

}  // namespace osdn::autotune
