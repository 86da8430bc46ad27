#include "cli/statistics.hpp"

#include <fmt/format.h>

#include "cli/emulator.hpp"
#include "cli/table.hpp"
#include "generator/text.hpp"

namespace osdn::cli {

expected<Json> read_statistics(const Target& target) {
  if (!target.emulated()) {
    return Error{
        ErrorCode::unsupported, "--stats: only the emulator counts instructions; allowed: --device emulator", {}};
  }
  auto text = emulator_statistics();
  if (!text) return text.error();
  Json parsed = Json::parse(*text, nullptr, false);
  if (parsed.is_discarded() || !parsed.contains("kernels")) {
    return Error{ErrorCode::internal, "the emulator's statistics are not the JSON they should be", *text};
  }
  return parsed;
}

std::string statistics_text(const Json& statistics) {
  Table table({{"counted by the emulator"}, {"", Align::right}});
  for (const auto& [kernel, counts] : statistics["kernels"].items()) {
    table.add({kernel, ""});
    for (const auto& [name, value] : counts.items()) {
      if (value.is_number_unsigned()) table.add({"  " + name, generator::grouped(value.get<std::uint64_t>())});
      if (!value.is_object()) continue;
      table.add({"  " + name, ""});
      for (const auto& [kind, count] : value.items()) {
        if (count.is_number_unsigned()) table.add({"    " + kind, generator::grouped(count.get<std::uint64_t>())});
      }
    }
  }
  return table.text();
}

}  // namespace osdn::cli
