// The emulator's counts, for people and programs.
#pragma once

#include <string>

#include "cli/report.hpp"
#include "cli/target.hpp"
#include "osdn/error.hpp"

namespace osdn::cli {

/// What the emulator counted since the program began. Errors: unsupported on anything else.
expected<Json> read_statistics(const Target& target);

[[nodiscard]] std::string statistics_text(const Json& statistics);

}  // namespace osdn::cli
