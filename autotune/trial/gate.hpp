// The gate: a candidate is compared with float64 on adversarial inputs, twice, between guards, before it is ever timed.
// docs/autotuning-measurement.md
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "autotune/laboratory.hpp"
#include "autotune/trial/gate_cases.hpp"
#include "autotune/trial/gate_memory.hpp"
#include "autotune/trial/guarded_buffer.hpp"
#include "osdn/arguments.hpp"

namespace osdn::autotune {

/// What is put to the gate.
struct GateSubject {
  std::function<std::size_t(const Shape&)> workspace_bytes;
  /// Runs to the end. Errors: driver …
  std::function<expected<void>(const ForwardArguments&)> run;
};

class Gate {
 public:
  /// The cases are made at the first check.
  Gate(const Problem& problem, std::uint64_t seed, GateMemory& memory);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// The first thing that is wrong, or passed. Errors: of the subject and of the memory.
  expected<Verdict> check(const GateSubject& subject);

 private:
  class Station;  // a case on the device
  expected<void> set_up();

  Problem problem_;
  std::uint64_t seed_;
  GateMemory& memory_;
  std::vector<GateCase> cases_;
  std::vector<std::unique_ptr<Station>> stations_;
};

}  // namespace osdn::autotune
