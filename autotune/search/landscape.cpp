#include "autotune/search/landscape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "generator/fields.hpp"

namespace osdn::autotune {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view preconditioner = "preconditioner";
constexpr std::string_view delta_rule = "delta_rule";

Json to_json(const PhaseTime& time) {
  const Resources& r = time.resources;
  return {{"phase", time.phase},          {"config", time.config},
          {"seconds", time.seconds},      {"registers", r.registers},
          {"spill_bytes", r.spill_bytes}, {"shared_bytes", r.shared_bytes},
          {"threads", r.threads},         {"workspace_bytes", r.workspace_bytes}};
}

PhaseTime phase_time(const Json& json) {
  PhaseTime out;
  json.at("phase").get_to(out.phase);
  json.at("config").get_to(out.config);
  json.at("seconds").get_to(out.seconds);
  json.at("registers").get_to(out.resources.registers);
  json.at("spill_bytes").get_to(out.resources.spill_bytes);
  json.at("shared_bytes").get_to(out.resources.shared_bytes);
  json.at("threads").get_to(out.resources.threads);
  json.at("workspace_bytes").get_to(out.resources.workspace_bytes);
  if (out.phase != preconditioner && out.phase != delta_rule) {
    throw Exception({ErrorCode::corrupt, "there is no phase " + out.phase, {}});
  }
  return out;
}

Landscape head(const Json& json) {
  Landscape out;
  out.problem = parse_problem(json.at("problem").get<std::string>()).value_or_throw();
  out.shape = parse_shape(json.at("shape").get<std::string>()).value_or_throw();
  json.at("arch").get_to(out.arch);
  json.at("origin").get_to(out.origin);
  out.usual = parse_config(json.at("default").get<std::string>()).value_or_throw();
  return out;
}

Resources together(const Resources& a, const Resources& b) {
  return {.registers = std::max(a.registers, b.registers),
          .spill_bytes = a.spill_bytes + b.spill_bytes,
          .shared_bytes = std::max(a.shared_bytes, b.shared_bytes),
          .threads = a.threads + b.threads,
          .workspace_bytes = std::max(a.workspace_bytes, b.workspace_bytes)};
}

/// The fields that both phases read.
std::string shared_fields(const Config& config) {
  std::string out;
  for (const auto& field : generator::config_fields()) {
    if (field.phases == generator::both_phases) out += field.print(config) + ",";
  }
  return out;
}

/// What the configuration of one phase adds to that of the other.
Config combined(const Config& delta, const Config& ahead) {
  Config out = delta;
  for (const auto& field : generator::config_fields()) {
    if (field.phases == generator::preconditioner_phase) field.read(out, field.print(ahead));
  }
  return out;
}

}  // namespace

std::string to_text(const Landscape& landscape) {
  const Json first = {{"problem", to_string(landscape.problem)},
                      {"shape", to_string(landscape.shape)},
                      {"arch", landscape.arch},
                      {"origin", landscape.origin},
                      {"default", to_string(landscape.usual)}};
  std::string out = first.dump() + "\n";
  for (const PhaseTime& time : landscape.phases) out += to_json(time).dump() + "\n";
  return out;
}

expected<std::vector<Landscape>> parse_landscapes(std::string_view text) {
  std::vector<Landscape> out;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    try {
      const Json json = Json::parse(line);
      if (json.contains("problem")) {
        out.push_back(head(json));
      } else if (!out.empty()) {
        out.back().phases.push_back(phase_time(json));
      } else {
        throw Exception({ErrorCode::corrupt, "a time before any problem", {}});
      }
    } catch (const std::exception& error) {
      return Error{ErrorCode::corrupt, fmt::format("recorded trials, line {}: {}", number, error.what()), {}};
    }
  }
  return out;
}

std::vector<Recorded> recorded(const Landscape& landscape) {
  std::vector<Recorded> out;
  const bool two_phases = landscape.problem.precondition != Precondition::none;
  for (const PhaseTime& delta : landscape.phases) {
    if (delta.phase != delta_rule) continue;
    const auto config = parse_config(delta.config);
    if (!config) continue;
    if (!two_phases) out.push_back({*config, delta.seconds, delta.resources, {}});
    for (const PhaseTime& ahead : landscape.phases) {
      if (ahead.phase != preconditioner) continue;
      const auto other = parse_config(ahead.config);
      if (!other || shared_fields(*config) != shared_fields(*other)) continue;
      out.push_back(
          {combined(*config, *other), delta.seconds + ahead.seconds, together(delta.resources, ahead.resources), {}});
    }
  }
  return out;
}

}  // namespace osdn::autotune
