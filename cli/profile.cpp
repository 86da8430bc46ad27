#include "cli/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "cli/emulator.hpp"
#include "cli/table.hpp"
#include "generator/text.hpp"
#include "reference/whole_file.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::cli {
namespace {

constexpr unsigned kTracedBlocks = 4;
constexpr std::size_t kHottest = 16;

/// The text of a line; empty when the file is not one of ours.
std::string line_text(const SourceTexts& sources, const std::string& file, int line) {
  const auto found = sources.find(file);
  if (found == sources.end()) return {};
  std::string_view rest = found->second;
  for (int i = 1; i < line && !rest.empty(); ++i) rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  rest = rest.substr(0, rest.find('\n'));
  const std::size_t first = rest.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string() : std::string(rest.substr(first));
}

double share(const Json& counters, const Json& total, const char* name) {
  const double all = total.value(name, 0.0);
  return all == 0 ? 0 : counters.value(name, 0.0) / all;
}

/// Adds texts and shares to the emulator's lines and sorts them.
void describe_lines(Json& kernel, const SourceTexts& sources) {
  std::vector<Json> lines;
  for (Json& line : kernel["lines"]) {
    line["text"] = line_text(sources, line["file"], line["line"]);
    line["time_share"] = share(line["own"], kernel["counters"], "modelled_cycles");
    line["instruction_share"] = share(line["own"], kernel["counters"], "warp_instructions");
    lines.push_back(std::move(line));
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Json& a, const Json& b) {
    return a["time_share"].get<double>() > b["time_share"].get<double>();
  });
  kernel["lines"] = lines;
  kernel.erase("instructions");
}

std::string percent(double part) {
  return fmt::format("{:.1f} %", 100 * part);
}

std::string modelled_text(const Json& kernels) {
  Table table({{"kernel"},
               {"modelled time", Align::right},
               {"bound by"},
               {"blocks per SM", Align::right},
               {"limited by"},
               {"waves", Align::right},
               {"issue slots", Align::right},
               {"tensor cores", Align::right},
               {"shared memory", Align::right}});
  for (const auto& [name, kernel] : kernels.items()) {
    const Json& modelled = kernel["modelled"];
    table.add({name, fmt::format("{:.2f} us", 1e6 * modelled["seconds"].get<double>()),
               modelled["bound_by"].get<std::string>(), modelled["blocks_per_multiprocessor"].dump(),
               modelled["limited_by"].get<std::string>(), fmt::format("{:.2f}", modelled["waves"].get<double>()),
               percent(modelled["issue_use"]), percent(modelled["tensor_use"]), percent(modelled["shared_use"])});
  }
  return table.text();
}

std::string counters_text(const Json& kernels) {
  std::vector<Column> columns = {{"counted"}};
  for (const auto& [name, kernel] : kernels.items()) columns.push_back({name, Align::right});
  Table table(columns);
  for (const auto& [counter, first] : kernels.begin().value()["counters"].items()) {
    if (counter == "modelled_cycles") continue;
    std::vector<std::string> row = {counter};
    for (const auto& [name, kernel] : kernels.items()) {
      row.push_back(generator::grouped(kernel["counters"][counter].get<std::uint64_t>()));
    }
    table.add(row);
  }
  return table.text();
}

std::string lines_text(const Json& kernel) {
  Table table({{"modelled time", Align::right},
               {"instructions", Align::right},
               {"bank conflicts", Align::right},
               {"line"},
               {"text"}});
  std::size_t shown = 0;
  for (const Json& line : kernel["lines"]) {
    if (++shown > kHottest) break;
    const auto conflicts = line["own"].value("bank_conflicts", std::uint64_t{0});
    table.add({percent(line["time_share"]), percent(line["instruction_share"]),
               conflicts == 0 ? "" : generator::grouped(conflicts),
               fmt::format("{}:{}", line["file"].get<std::string>(), line["line"].get<int>()),
               line["text"].get<std::string>()});
  }
  return table.text();
}

}  // namespace

expected<void> begin_profile(Target& target, const ProfileOptions& options) {
  if (!options.any()) return {};
  if (!target.emulated()) {
    return Error{ErrorCode::unsupported,
                 fmt::format("{}: only the emulator sees what each line does; allowed: --device emulator",
                             options.profile ? "--profile" : "--trace"),
                 {}};
  }
  target.engine->state()->compile_with_lines(true);
  return set_emulator_measure(true, options.trace.empty() ? 0 : kTracedBlocks);
}

expected<Json> read_profile(const SourceTexts& sources) {
  auto text = emulator_profile();
  if (!text) return text.error();
  Json parsed = Json::parse(*text, nullptr, false);
  if (parsed.is_discarded() || !parsed.contains("kernels")) {
    return Error{ErrorCode::internal, "the emulator's profile is not the JSON it should be", *text};
  }
  for (auto& [name, kernel] : parsed["kernels"].items()) describe_lines(kernel, sources);
  return parsed;
}

std::string profile_text(const Json& profile) {
  const Json& kernels = profile["kernels"];
  if (kernels.empty()) return "no kernel was launched";
  std::string text = fmt::format(
      "modelled time is the answer of a model of {}, not a measurement (docs/emulator-model.md)\n\n{}\n\n{}",
      kernels.begin().value()["modelled_as"].get<std::string>(), modelled_text(kernels), counters_text(kernels));
  for (const auto& [name, kernel] : kernels.items()) {
    text +=
        fmt::format("\n\n{}: hottest lines by modelled time of warps, waits included\n{}", name, lines_text(kernel));
  }
  return text;
}

expected<void> write_trace(const std::string& file) {
  auto text = emulator_trace();
  if (!text) return text.error();
  return reference::write_whole_file(file, {std::as_bytes(std::span(text->data(), text->size()))});
}

}  // namespace osdn::cli
