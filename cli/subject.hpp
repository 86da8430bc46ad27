// What a verb works on: a problem, by its text, by a preset's name or out of a case file.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"
#include "reference/case.hpp"
#include "reference/forward.hpp"

namespace osdn::cli {

struct SubjectOptions {
  std::string problem;
  std::string preset;
  std::string math;
};

/// --problem, --preset, --math.
void add_subject_options(CLI::App& verb, SubjectOptions& options);

struct Subject {
  Problem problem;  ///< canonical
  reference::Numbers numbers;
};

/// The problem that --problem and --preset describe: the preset gives what the text does not name.
expected<Subject> find_subject(const SubjectOptions& options);

/// The case of a file, without its answers: its problem canonical, --math applied to fp32; says on stderr what in the
/// file is not part of a case.
expected<reference::Case> load_subject_case(const safetensors::Reader& file, const SubjectOptions& options);
expected<reference::Case> load_subject_case(const std::string& path, const SubjectOptions& options);

/// The problem of `input` if it is given, else of the options.
expected<Problem> find_problem(const std::string& input, const SubjectOptions& options);

/// `eta=1,d_max=2`: changes these of `numbers`.
expected<void> parse_numbers(const std::string& text, reference::Numbers& numbers);

/// `fp32 64×64 per_token`: for tables.
[[nodiscard]] std::string brief(const Problem& problem);

}  // namespace osdn::cli
