// What osdn tune is asked to do: its budget, its stopwatch, its problems and shapes.
#pragma once

#include <string>
#include <vector>

#include "autotune/trace.hpp"
#include "autotune/trial/crew.hpp"
#include "cli/subject.hpp"
#include "osdn/tuner.hpp"

namespace osdn::cli {

using TuneWork = std::vector<autotune::TraceLine>;

/// `90s`, `5m`, `200` (trials), or both: `200,90s`.
expected<TuningBudget> parse_budget(const std::string& text);

/// auto, events or modelled.
expected<autotune::StopwatchKind> parse_stopwatch(const std::string& text);

/// What a trace names, or a problem at each of the shapes. Errors: invalid_argument, io, corrupt.
expected<TuneWork> read_work(const SubjectOptions& subject, const std::vector<std::string>& shapes,
                             const std::string& from_trace);

/// Shapes of one bucket share an entry: the first stands for all, and a note says so.
TuneWork without_repeats(const TuneWork& work);

}  // namespace osdn::cli
