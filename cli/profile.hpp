// What the emulator measured of a run, held against the templates' lines.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/report.hpp"
#include "cli/target.hpp"
#include "osdn/error.hpp"

namespace osdn::cli {

struct ProfileOptions {
  bool profile = false;
  std::string trace;  ///< file; empty: none
  [[nodiscard]] bool any() const { return profile || !trace.empty(); }
};

/// Texts of a plan's files, by name: kernel sources and the templates they include.
using SourceTexts = std::map<std::string, std::string, std::less<>>;

/// Makes the emulator measure what follows, and the engine compile with line information. Errors: unsupported on
/// anything but the emulator.
expected<void> begin_profile(Target& target, const ProfileOptions& options);

/// What was measured since then. Every line has its text, its share of the modelled time and of the instructions; the
/// hottest stand first.
expected<Json> read_profile(const SourceTexts& sources);

[[nodiscard]] std::string profile_text(const Json& profile);

/// Writes the trace of what was measured.
expected<void> write_trace(const std::string& file);

}  // namespace osdn::cli
