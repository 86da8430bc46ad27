// osdn db explain: which configuration is used, and why.
#include <fmt/format.h>

#include "autotune/database/ladder.hpp"
#include "cli/db.hpp"
#include "cli/tune_report.hpp"

namespace osdn::cli {
namespace {

using autotune::LookUp;

/// `16.9 µs, 1.37 times as long`
std::string cost_text(const autotune::Finalist& finalist, const autotune::Finalist& winner) {
  std::string out = time_text(finalist.median_seconds);
  if (winner.median_seconds > 0) {
    out += fmt::format(", {:.3f} times as long", finalist.median_seconds / winner.median_seconds);
  }
  return out;
}

Json describe(const Situation& situation, const LookUp& found) {
  Json out = to_json(situation.key());
  out["shape"] = to_string(situation.shape);
  out["config"] = to_string(found.config);
  out["source"] = name(found.source);
  out["explanation"] = found.explanation;
  out["entry"] = found.entry ? to_json(*found.entry) : Json();
  const auto finalist = [](const auto& one) { return one ? to_json(*one) : Json(); };
  out["winner"] = finalist(found.winner);
  out["default"] = finalist(found.usual);
  out["runner_up"] = finalist(found.runner_up);
  out["passed_by"] = found.passed_by;
  return out;
}

void say(const Situation& situation, const LookUp& found) {
  const auto line = [](std::string_view what, std::string_view text) { print(fmt::format("{:11}{}", what, text)); };
  line("problem", to_string(situation.problem));
  line("sizes", fmt::format("{} ({})", to_string(situation.shape), to_string(situation.key().bucket)));
  line("GPU", to_string(situation.gpu));
  line("uses", to_string(found.config));
  line("from", fmt::format("{}: {}", name(found.source), found.explanation));
  if (found.winner) line("costs", time_text(found.winner->median_seconds));
  if (found.usual && found.winner && found.usual->config != found.winner->config) {
    line("default", fmt::format("{}: {}", to_string(found.usual->config), cost_text(*found.usual, *found.winner)));
  }
  if (found.runner_up) {
    line("runner-up",
         fmt::format("{}: {}", to_string(found.runner_up->config), cost_text(*found.runner_up, *found.winner)));
  }
  if (!found.passed_by.empty()) print("passed by");
  for (const std::string& rung : found.passed_by) print("  " + rung);
}

}  // namespace

expected<int> db_explain(const DbOptions& options) {
  auto database = open_database(options);
  if (!database) return database.error();
  auto situation = find_situation(*database, options);
  if (!situation) return situation.error();
  auto found = autotune::look_up(*database, situation->problem, situation->shape, situation->gpu,
                                 situation->architecture, options.deterministic);
  if (!found) return found.error();
  if (options.json)
    print_json(describe(*situation, *found));
  else
    say(*situation, *found);
  return success;
}

}  // namespace osdn::cli
