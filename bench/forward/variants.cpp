// Which configurations of a shape are timed.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bench/forward/trial.hpp"
#include "cli/config_choice.hpp"
#include "generator/fields.hpp"
#include "osdn/tuner.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

/// Every value of a field in the space of the problem at this shape, refused ones too, as `field=value`.
expected<std::vector<std::string>> values_of(const std::string& field, const Work& work,
                                             const generator::Architecture& architecture) {
  auto space = generator::configuration_space(work.problem, architecture, work.shape);
  if (!space) return space.error();
  const auto rows = generator::config_fields();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& one) { return one.name == field; });
  std::vector<std::string> out;
  if (row == rows.end()) return out;
  std::set<std::string> seen;
  for (const auto& candidate : *space) {
    if (seen.insert(row->print(candidate.config)).second) {
      out.push_back(fmt::format("{}={}", field, row->print(candidate.config)));
    }
  }
  return out;
}

expected<PreparedOperation> tuned(Engine& engine, const Work& work) {
  auto tuner = Tuner::create(engine, {.mode = TuningMode::cache});
  if (!tuner) return tuner.error();
  auto found = tuner->prepare(work.problem, work.shape);
  if (!found) return found.error();
  return found->operation;
}

}  // namespace

expected<std::vector<Variant>> choose_variants(Engine& engine, const Work& work, const std::vector<std::string>& texts,
                                               std::vector<std::string>& refused) {
  auto architecture = engine.state()->architecture();
  if (!architecture) return architecture.error();
  std::vector<std::string> wanted;
  constexpr std::string_view each = "each:";
  for (const std::string& text : texts) {
    if (text.rfind(each, 0) != 0) {
      wanted.push_back(text);
      continue;
    }
    auto values = values_of(text.substr(each.size()), work, *architecture);
    if (!values) return values.error();
    wanted.insert(wanted.end(), values->begin(), values->end());
  }
  std::vector<Variant> out;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name, const PreparedOperation& operation) {
    if (seen.insert(to_string(operation.config())).second) out.push_back({name, operation});
  };
  for (const std::string& text : wanted) {
    if (text == "tuned") {
      auto operation = tuned(engine, work);
      if (!operation) return operation.error();
      add(text, *operation);
      continue;
    }
    const std::string named = text == "default" ? std::string() : text;
    auto config = cli::choose_config(work.problem, *architecture, named, {}, work.shape);
    if (!config && config.error().code == ErrorCode::constraint) {
      refused.push_back(fmt::format("{}: {}", text, config.error().message));
      continue;
    }
    if (!config) return config.error();
    auto operation = engine.prepare(work.problem, *config);
    if (!operation) return operation.error();
    add(text, *operation);
  }
  return out;
}

}  // namespace osdn::bench
