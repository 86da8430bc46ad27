// The candidates of a sweep.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/sweep/sweep.hpp"
#include "generator/fields.hpp"
#include "generator/text.hpp"

namespace osdn::autotune {
namespace {

/// A field and the values it may keep.
struct Allowed {
  const generator::Field<Config>* field = nullptr;
  std::vector<std::string> values;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

Error bad_only(std::string_view item, std::string_view allowed) {
  return {ErrorCode::invalid_argument,
          fmt::format("the space is narrowed by {}; allowed: {}", generator::quoted(item), allowed),
          {}};
}

expected<Allowed> parse_item(std::string_view item) {
  const std::size_t equals = item.find('=');
  const std::string_view name = item.substr(0, equals);
  const auto fields = generator::config_fields();
  const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& row) { return row.name == name; });
  if (field == fields.end() || equals == std::string_view::npos) {
    return bad_only(
        item, "FIELD=VALUE|VALUE with a field of a configuration: " + generator::one_of(generator::names(fields)));
  }
  Allowed out{&*field, {}};
  for (const std::string_view value : split(item.substr(equals + 1), '|')) {
    Config probe;
    if (!field->read(probe, value)) return bad_only(item, fmt::format("for {}: {}", name, field->allowed()));
    out.values.push_back(field->print(probe));
  }
  return out;
}

expected<std::vector<Allowed>> parse_only(const std::string& only) {
  std::vector<Allowed> out;
  if (only.empty()) return out;
  for (const std::string_view item : split(only, ',')) {
    auto parsed = parse_item(item);
    if (!parsed) return parsed.error();
    out.push_back(*std::move(parsed));
  }
  return out;
}

bool wanted(const Config& config, const std::vector<Allowed>& only) {
  return std::all_of(only.begin(), only.end(), [&](const Allowed& allowed) {
    const std::string value = allowed.field->print(config);
    return std::find(allowed.values.begin(), allowed.values.end(), value) != allowed.values.end();
  });
}

void count(std::vector<Space::Refused>& refused, const generator::Candidate& candidate) {
  auto same = [&](const Space::Refused& row) { return row.constraint == candidate.constraint; };
  auto found = std::find_if(refused.begin(), refused.end(), same);
  if (found == refused.end()) {
    refused.push_back({candidate.constraint, 0, candidate.refusal});
    found = std::prev(refused.end());
  }
  ++found->count;
}

}  // namespace

expected<Space> make_space(const Problem& problem, const generator::Architecture& architecture, const std::string& only,
                           const std::optional<Shape>& shape) {
  auto narrowed = parse_only(only);
  if (!narrowed) return narrowed.error();
  auto usual = shape ? generator::default_config(problem, architecture, *shape)
                     : generator::default_config(problem, architecture);
  if (!usual) return usual.error();
  auto all = shape ? generator::configuration_space(problem, architecture, *shape)
                   : generator::configuration_space(problem, architecture);
  if (!all) return all.error();
  Space out;
  out.usual = *usual;
  out.candidates.push_back(*usual);
  for (const generator::Candidate& candidate : *all) {
    if (!wanted(candidate.config, *narrowed)) continue;
    if (!candidate.refusal.empty())
      count(out.refused, candidate);
    else if (candidate.config != *usual)
      out.candidates.push_back(candidate.config);
  }
  return out;
}

}  // namespace osdn::autotune
