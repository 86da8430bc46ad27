// What a verb says and how the program ends: results on stdout, messages on stderr, one exit code per kind of end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "osdn/engine.hpp"
#include "osdn/error.hpp"

namespace osdn::cli {

using Json = nlohmann::ordered_json;

enum ExitCode : int {
  success = 0,
  not_passed =
      1,  ///< ran, but a result is outside its tolerance, a cache entry or tuning line is damaged, or databases differ
  bad_input = 2,    ///< usage, a file, a problem or a configuration that cannot be
  environment = 3,  ///< a library, a device, memory or a file system is missing or refuses
  defect = 4,       ///< a fault of osdn itself
};

[[nodiscard]] ExitCode exit_code_of(ErrorCode code);

/// Says the error on stderr and, with `json`, as {"error": …} on stdout. Returns its exit code.
int fail(const Error& error, bool json);

/// A result, on stdout.
void print_json(const Json& json);
void print(std::string_view text);

/// A message, on stderr.
void note(std::string_view text);

/// A line that replaces itself, on stderr, only on a terminal; empty text clears it.
void progress(std::string_view text);

[[nodiscard]] Json to_json(const DeviceDescription& device);
[[nodiscard]] Json to_json(const KernelReport& kernel);
[[nodiscard]] Json to_json(const CacheStatistics& statistics);

/// Lines after the first are indented; no newline at the end.
[[nodiscard]] std::string indented(std::string_view text);

/// `1.5 KiB`
[[nodiscard]] std::string bytes_text(std::size_t bytes);

}  // namespace osdn::cli
