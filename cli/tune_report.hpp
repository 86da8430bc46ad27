// What osdn tune says: its progress, and its results as JSON and as tables.
#pragma once

#include <string>
#include <vector>

#include "autotune/sweep/sweep.hpp"
#include "cli/report.hpp"

namespace osdn::cli {

/// One line for the terminal.
[[nodiscard]] std::string progress_text(const TuningProgress& progress);

/// `passed 12.3 us (0.91 of the default): chunk=…`, `wrong: chunk=…: o is off …`
[[nodiscard]] std::string trial_text(const autotune::Trial& trial);

/// A problem's sweep.
[[nodiscard]] Json to_json(const autotune::SweepResult& result, const Problem& problem);
/// What is said of all sweeps together: default, best, gain, spread, tried, gated out; then why.
[[nodiscard]] std::string sweeps_text(const Json& sweeps, bool emulated);

/// The space of a problem: what may be tried and what each constraint refused.
[[nodiscard]] Json to_json(const autotune::Space& space);
[[nodiscard]] std::string space_text(const Json& space);

/// `12.3 us`
[[nodiscard]] std::string time_text(double seconds);

}  // namespace osdn::cli
