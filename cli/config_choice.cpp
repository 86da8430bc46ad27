#include "cli/config_choice.hpp"

#include <fmt/format.h>

#include <span>

#include "generator/fields.hpp"
#include "generator/plan.hpp"

namespace osdn::cli {
namespace {

/// In how many fields two configurations differ; the chunk counts most, being what shapes the kernel.
int distance(const Config& a, const Config& b) {
  int count = a.chunk == b.chunk ? 0 : 10;
  for (const auto& row : generator::config_fields()) count += row.print(a) == row.print(b) ? 0 : 1;
  return count;
}

}  // namespace

expected<Config> choose_config(const Problem& problem, const generator::Architecture& architecture,
                               const std::string& text, std::optional<int> chunk) {
  std::string named = text;
  if (chunk) named += fmt::format("{}chunk={}", named.empty() ? "" : ",", *chunk);
  auto usual = generator::default_config(problem, architecture);
  if (!usual) return usual.error();
  auto wanted = parse_config(named, *usual);
  if (!wanted) return wanted.error();
  const auto planned = generator::plan(problem, *wanted, architecture);
  if (planned) return *wanted;
  if (planned.error().code != ErrorCode::constraint) return planned.error();

  auto space = generator::configuration_space(problem, architecture);
  if (!space) return space.error();
  const Config* best = nullptr;
  for (const auto& candidate : *space) {
    if (!candidate.refusal.empty() || *parse_config(named, candidate.config) != candidate.config) continue;
    if (best == nullptr || distance(candidate.config, *usual) < distance(*best, *usual)) best = &candidate.config;
  }
  if (best == nullptr) return planned.error();
  return *best;
}

}  // namespace osdn::cli
