// Entries as the JSON object that the page's script reads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autotune/report/report.hpp"

namespace osdn::autotune::report {

using Json = nlohmann::ordered_json;

/// What stands beside every time of an entry that no device took; empty: events on a device.
[[nodiscard]] std::string caveat(const Entry& entry);

/// By GPU, problem and bucket.
[[nodiscard]] std::vector<const Entry*> in_order(const std::vector<Entry>& entries);

[[nodiscard]] Json describe(const std::vector<const Entry*>& entries, const ReportOptions& options);

/// Compact, ASCII, and harmless inside a script element: no `<`, `>` or `&` is left in it.
[[nodiscard]] std::string script_text(const Json& json);

}  // namespace osdn::autotune::report
