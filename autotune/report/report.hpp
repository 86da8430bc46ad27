// The page that `osdn report` writes: what the tuning database knows, to look at. One HTML text that needs nothing
// beside it: style, script and data are inside.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autotune/database/database.hpp"

namespace osdn::autotune {

struct ReportOptions {
  std::string library_version{};  ///< of the program that writes the page
  std::string source{};           ///< where the entries come from, in words: a directory, files
  /// The hash of a configuration's kernels as they are written now (empty: not legal any more): trials with another one
  /// are shown as stale. Empty: nothing is called stale.
  std::function<std::string(const Key&, const Config&)> current_sources{};
};

/// The same text for the same entries, in whatever order they come. Texts of the entries (names of GPUs, reasons) are
/// data, never markup.
[[nodiscard]] std::string render_report(const std::vector<Entry>& entries, const ReportOptions& options = {});

/// For ReportOptions::current_sources: asks the generator, once for each problem, architecture and configuration.
[[nodiscard]] std::function<std::string(const Key&, const Config&)> generated_sources();

}  // namespace osdn::autotune
