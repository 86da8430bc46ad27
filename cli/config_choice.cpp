#include "cli/config_choice.hpp"

#include <fmt/format.h>

#include <span>

#include "generator/constraints.hpp"
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
                               const std::string& text, std::optional<int> chunk, const std::optional<Shape>& shape) {
  std::string named = text;
  if (chunk) named += fmt::format("{}chunk={}", named.empty() ? "" : ",", *chunk);
  auto usual = shape ? generator::default_config(problem, architecture, *shape)
                     : generator::default_config(problem, architecture);
  if (!usual) return usual.error();
  auto wanted = parse_config(named, *usual);
  if (!wanted) return wanted.error();
  const auto planned = generator::plan(problem, *wanted, architecture);
  if (planned) return *wanted;
  if (planned.error().code != ErrorCode::constraint) return planned.error();

  const auto exact = canonical(problem);
  if (!exact) return exact.error();
  auto space = generator::configuration_space(*exact, architecture);
  if (!space) return space.error();
  const Config* best = nullptr;
  for (auto& candidate : *space) {
    if (!candidate.refusal.empty()) continue;
    Config& config = candidate.config;
    // The space of a problem, which knows no shape, leaves sequences whole.
    config.cut = wanted->cut;
    config.segment = wanted->segment;
    config.cut_fill = wanted->cut_fill;
    config.cut_memory = wanted->cut_memory;
    config.cut_d = wanted->cut_d;
    if (*parse_config(named, config) != config || !generator::check(*exact, config, architecture)) continue;
    if (best == nullptr || distance(config, *usual) < distance(*best, *usual)) best = &config;
  }
  if (best == nullptr) return planned.error();
  return *best;
}

}  // namespace osdn::cli
