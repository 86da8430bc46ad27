// Recorded landscapes: what every configuration of a problem took, written once (bench/record_trials.cpp) and replayed
// by benchmarks and tests of searches and races.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "autotune/search/replay.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// One phase's kernel in one configuration. Kernels run one after the other and read only the fields of their phase, so
/// that a problem of two phases need not be recorded in every combination.
struct PhaseTime {
  std::string phase;   ///< "preconditioner", "delta_rule"
  std::string config;  ///< the fields that this phase reads: "chunk=64,warps=4,…"
  double seconds = 0;
  Resources resources;  ///< of this kernel; the workspace with the preconditioner

  friend bool operator==(const PhaseTime&, const PhaseTime&) = default;
};

struct Landscape {
  Problem problem;
  Shape shape;
  std::string arch;    ///< "sm_80"
  std::string origin;  ///< one sentence: how, by which version
  Config usual;        ///< the default at the time
  std::vector<PhaseTime> phases;

  friend bool operator==(const Landscape&, const Landscape&) = default;
};

/// JSON Lines: a line for the landscape, then one for each phase and configuration.
[[nodiscard]] std::string to_text(const Landscape& landscape);
/// Any number of landscapes. Errors: corrupt, with the line.
expected<std::vector<Landscape>> parse_landscapes(std::string_view text);

/// Every configuration that the phases make together: pairs that agree in the fields that both read, with the sum of
/// their times.
[[nodiscard]] std::vector<Recorded> recorded(const Landscape& landscape);

}  // namespace osdn::autotune
