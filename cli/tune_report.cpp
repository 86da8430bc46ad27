#include "cli/tune_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/subject.hpp"
#include "cli/table.hpp"
#include "generator/text.hpp"

namespace osdn::cli {
namespace {

using autotune::Finalist;
using autotune::Outcome;

Json finalist_json(const Finalist& finalist) {
  return {{"config", to_string(finalist.config)},
          {"median_seconds", finalist.median_seconds},
          {"spread", finalist.spread},
          {"ratio_to_default", finalist.ratio},
          {"ratio_95", {finalist.ratio_low, finalist.ratio_high}},
          {"registers", finalist.resources.registers},
          {"shared_bytes", finalist.resources.shared_bytes},
          {"spill_bytes", finalist.resources.spill_bytes},
          {"samples", finalist.samples.size()}};
}

/// Failures by outcome, with the reason of the first of each.
Json failures_json(const std::vector<autotune::Trial>& trials) {
  std::map<std::string, std::pair<int, const autotune::Trial*>> by_outcome;
  for (const autotune::Trial& trial : trials) {
    if (trial.outcome == Outcome::passed) continue;
    auto& [count, first] = by_outcome[name(trial.outcome)];
    if (count++ == 0) first = &trial;
  }
  Json out = Json::array();
  for (const auto& [outcome, row] : by_outcome) {
    out.push_back({{"outcome", outcome},
                   {"count", row.first},
                   {"config", to_string(row.second->config)},
                   {"reason", row.second->reason}});
  }
  return out;
}

std::string percent(double part) {
  return fmt::format("{:.1f} %", 100 * part);
}

std::string gain_text(const Json& sweep) {
  if (sweep["winner"]["config"] == sweep["default"]["config"]) return "default is best";
  const double ratio = sweep["winner"]["ratio_to_default"];
  return fmt::format("{:.2f}x", ratio > 0 ? 1 / ratio : 0);
}

}  // namespace

std::string time_text(double seconds) {
  if (seconds <= 0) return "-";
  if (seconds < 1e-3) return fmt::format("{:.2f} us", 1e6 * seconds);
  return seconds < 1 ? fmt::format("{:.3f} ms", 1e3 * seconds) : fmt::format("{:.3f} s", seconds);
}

std::string progress_text(const TuningProgress& progress) {
  std::string text = fmt::format("{}/{} {}", progress.done, progress.total, progress.phase);
  if (progress.best_seconds > 0 && progress.default_seconds > 0) {
    text += fmt::format(", best {:.2f}x the default", progress.default_seconds / progress.best_seconds);
  }
  if (progress.seconds_left >= 0) text += fmt::format(", about {:.0f} s left", progress.seconds_left);
  return text + fmt::format("  {}", to_string(progress.shape));
}

std::string trial_text(const autotune::Trial& trial) {
  if (trial.outcome != Outcome::passed) {
    return fmt::format("{}: {}: {}", name(trial.outcome), to_string(trial.config), trial.reason);
  }
  return fmt::format("passed: {}: {}, {:.3f} of the default", to_string(trial.config), time_text(trial.median_seconds),
                     trial.ratio);
}

Json to_json(const autotune::SweepResult& result, const Problem& problem) {
  const autotune::Choice& choice = result.choice;
  Json finalists = Json::array();
  Json usual;
  for (const Finalist& finalist : choice.finalists) {
    finalists.push_back(finalist_json(finalist));
    if (finalist.config == choice.default_config) usual = finalists.back();
  }
  if (usual.is_null()) usual = {{"config", to_string(choice.default_config)}, {"median_seconds", 0.0}};
  Json out = {{"problem", to_string(problem)},
              {"shape", to_string(choice.shape)},
              {"bucket", to_string(autotune::bucket_of(choice.shape))},
              {"stopwatch", choice.circumstances.stopwatch},
              {"winner", finalists.front()},
              {"default", std::move(usual)},
              {"strategy", choice.strategy},
              {"seed", choice.seed},
              {"candidates", choice.candidates},
              {"tried", choice.tried},
              {"taken_over", result.taken_over},
              {"gated_out", choice.gated_out},
              {"samples_discarded", choice.discarded},
              {"ended", choice.ended},
              {"raced", result.raced},
              {"seconds", result.seconds},
              {"failures", failures_json(result.trials)},
              {"finalists", std::move(finalists)}};
  if (result.unrecorded) out["unrecorded"] = result.unrecorded->message;
  return out;
}

std::string sweeps_text(const Json& sweeps, bool emulated) {
  Table table({{"problem"},
               {"shape"},
               {"default", Align::right},
               {"best", Align::right},
               {"gain", Align::right},
               {"spread", Align::right},
               {"tried", Align::right},
               {"gated out", Align::right},
               {"ended"}});
  std::string below;
  for (const Json& sweep : sweeps) {
    const auto problem = parse_problem(sweep["problem"].get<std::string>());
    table.add({problem ? brief(*problem) : sweep["problem"].get<std::string>(), sweep["shape"],
               time_text(sweep["default"]["median_seconds"]), time_text(sweep["winner"]["median_seconds"]),
               gain_text(sweep), percent(sweep["winner"]["spread"]),
               fmt::format("{} of {}", sweep["tried"].get<int>(), sweep["candidates"].get<int>()),
               sweep["gated_out"].dump(), sweep["ended"]});
    below += fmt::format("\n{} at {}\n  {}", sweep["problem"].get<std::string>(), sweep["shape"].get<std::string>(),
                         sweep["winner"]["config"].get<std::string>());
    if (const int old = sweep["taken_over"]; old > 0) below += fmt::format("\n  {} trials were known already", old);
    for (const Json& failure : sweep["failures"]) {
      below += fmt::format("\n  {} {}: {} ({})", failure["count"].get<int>(), failure["outcome"].get<std::string>(),
                           failure["reason"].get<std::string>(), failure["config"].get<std::string>());
    }
    if (sweep.contains("unrecorded")) below += "\n  not remembered: " + sweep["unrecorded"].get<std::string>();
  }
  const bool modelled =
      std::any_of(sweeps.begin(), sweeps.end(), [](const Json& sweep) { return sweep["stopwatch"] == "modelled"; });
  if (modelled) {
    below += "\n\nTimes are modelled, not measured (docs/emulator-model.md).";
  } else if (emulated) {
    below += "\n\nTimes are those of the emulator on this machine: they say nothing of a GPU.";
  }
  return table.text() + "\n" + below;
}

Json to_json(const autotune::Space& space) {
  Json refused = Json::array();
  std::int64_t total = 0;
  for (const auto& row : space.refused) {
    refused.push_back({{"constraint", row.constraint}, {"count", row.count}, {"example", row.example}});
    total += row.count;
  }
  return {{"legal", space.candidates.size()},
          {"refused", total},
          {"default", to_string(space.usual)},
          {"refusals", std::move(refused)}};
}

std::string space_text(const Json& space) {
  std::string text = fmt::format("{} legal, {} refused\n  default: {}", space["legal"].dump(), space["refused"].dump(),
                                 space["default"].get<std::string>());
  for (const Json& row : space["refusals"]) {
    text += fmt::format("\n  {} refused by {}, such as: {}", row["count"].dump(), row["constraint"].get<std::string>(),
                        row["example"].get<std::string>());
  }
  return text;
}

}  // namespace osdn::cli
