// osdn db show: what is tuned.
#include <fmt/format.h>

#include <algorithm>

#include "cli/db.hpp"
#include "cli/table.hpp"
#include "cli/tune_report.hpp"

namespace osdn::cli {
namespace {

using autotune::Entry;
using autotune::Finalist;

/// `1.37×`: how much faster than the default.
std::string gain_text(double ratio) {
  return ratio > 0 ? fmt::format("{:.2f}×", 1 / ratio) : "-";
}

Json to_json(const autotune::Resources& r) {
  return {{"registers", r.registers}, {"spill_bytes", r.spill_bytes},         {"shared_bytes", r.shared_bytes},
          {"threads", r.threads},     {"workspace_bytes", r.workspace_bytes}, {"compile_ms", r.compile_ms}};
}

Json to_json(const autotune::Circumstances& c) {
  return {{"when", c.when},
          {"driver_version", c.driver_version},
          {"nvrtc_version", c.nvrtc_version},
          {"library_version", c.library_version},
          {"stopwatch", c.stopwatch}};
}

Json describe(const Entry& entry, bool trials) {
  Json out = cli::to_json(entry.key);
  out["file"] = entry.origin;
  out["lines"] = entry.lines;
  out["damaged"] = entry.damaged;
  out["foreign"] = entry.foreign;
  out["trial_count"] = entry.trials.size();
  out["choice"] = entry.choice ? cli::to_json(*entry.choice) : Json();
  out["earlier_choices"] = entry.earlier.size();
  out["pin"] = entry.pin ? Json{{"config", to_string(entry.pin->config)}, {"when", entry.pin->when}} : Json();
  if (!trials) return out;
  Json& all = out["trials"] = Json::array();
  for (const autotune::Trial& trial : entry.trials) all.push_back(cli::to_json(trial));
  return out;
}

std::string pin_text(const Entry& entry) {
  if (!entry.pin) return "";
  return entry.choice ? brief(entry.pin->config, entry.choice->default_config) : to_string(entry.pin->config);
}

void show_table(const std::vector<Entry>& entries) {
  Table table({{"problem"},
               {"sizes"},
               {"GPU"},
               {"trials", Align::right},
               {"winner"},
               {"time", Align::right},
               {"gain", Align::right},
               {"tuned"},
               {"pinned"}});
  for (const Entry& entry : entries) {
    std::vector<std::string> row = {brief(entry.key.problem), to_string(entry.key.bucket), to_string(entry.key.gpu),
                                    std::to_string(entry.trials.size())};
    if (entry.choice) {
      const Finalist& winner = entry.choice->finalists.front();
      row.insert(row.end(), {brief(winner.config, entry.choice->default_config), time_text(winner.median_seconds),
                             gain_text(winner.ratio), day_text(entry.choice->circumstances.when)});
    } else {
      row.insert(row.end(), {"-", "-", "-", "-"});
    }
    row.push_back(pin_text(entry));
    table.add(std::move(row));
  }
  print(table.text());
}

/// Fastest first; what was not timed last.
void show_trials(const Entry& entry) {
  print(
      fmt::format("{}\n{} on {}", to_string(entry.key.problem), to_string(entry.key.bucket), to_string(entry.key.gpu)));
  std::vector<autotune::Trial> trials = entry.trials;
  std::stable_sort(trials.begin(), trials.end(), [](const auto& a, const auto& b) {
    const auto timed = [](const autotune::Trial& trial) { return trial.ratio > 0 ? trial.ratio : 1e300; };
    return timed(a) < timed(b);
  });
  Table table({{"configuration"},
               {"time", Align::right},
               {"of the default's", Align::right},
               {"registers", Align::right},
               {"shared", Align::right},
               {"outcome"}});
  for (const autotune::Trial& trial : trials) {
    const std::string outcome =
        trial.reason.empty() ? name(trial.outcome) : name(trial.outcome) + (": " + trial.reason);
    table.add({to_string(trial.config), time_text(trial.median_seconds),
               trial.ratio > 0 ? fmt::format("{:.3f}", trial.ratio) : "-", std::to_string(trial.resources.registers),
               bytes_text(trial.resources.shared_bytes), outcome});
  }
  print(table.text() + "\n");
}

}  // namespace

Json to_json(const autotune::Key& key) {
  return {{"problem", to_string(key.problem)},
          {"bucket", to_string(key.bucket)},
          {"gpu",
           {{"name", key.gpu.name},
            {"multiprocessors", key.gpu.multiprocessors},
            {"arch", key.gpu.arch},
            {"memory_clock_mhz", key.gpu.memory_clock_mhz},
            {"emulated", key.gpu.emulated}}}};
}

Json to_json(const autotune::Trial& trial) {
  return {{"config", to_string(trial.config)},
          {"sources", trial.sources},
          {"shape", to_string(trial.shape)},
          {"outcome", name(trial.outcome)},
          {"reason", trial.reason},
          {"median_seconds", trial.median_seconds},
          {"spread", trial.spread},
          {"ratio", trial.ratio},
          {"samples", trial.samples},
          {"discarded", trial.discarded},
          {"resources", to_json(trial.resources)},
          {"circumstances", to_json(trial.circumstances)}};
}

Json to_json(const Finalist& finalist) {
  return {{"config", to_string(finalist.config)},
          {"sources", finalist.sources},
          {"median_seconds", finalist.median_seconds},
          {"spread", finalist.spread},
          {"ratio", finalist.ratio},
          {"ratio_low", finalist.ratio_low},
          {"ratio_high", finalist.ratio_high},
          {"resources", to_json(finalist.resources)}};
}

Json to_json(const autotune::Choice& choice) {
  Json finalists = Json::array();
  for (const Finalist& finalist : choice.finalists) finalists.push_back(to_json(finalist));
  return {{"shape", to_string(choice.shape)},
          {"default_config", to_string(choice.default_config)},
          {"finalists", finalists},
          {"strategy", choice.strategy},
          {"seed", choice.seed},
          {"candidates", choice.candidates},
          {"tried", choice.tried},
          {"gated_out", choice.gated_out},
          {"discarded", choice.discarded},
          {"ended", choice.ended},
          {"circumstances", to_json(choice.circumstances)}};
}

expected<int> db_show(const DbOptions& options) {
  auto database = open_database(options);
  if (!database) return database.error();
  auto entries = chosen_entries(*database, options);
  if (!entries) return entries.error();
  if (options.json) {
    Json all = Json::array();
    for (const Entry& entry : *entries) all.push_back(describe(entry, options.trials));
    print_json(Json{{"directory", database->directory()}, {"entries", all}});
    return success;
  }
  if (entries->empty()) {
    print(fmt::format("nothing is tuned in {}", database->directory()));
  } else if (options.trials) {
    for (const Entry& entry : *entries) show_trials(entry);
  } else {
    show_table(*entries);
  }
  return success;
}

}  // namespace osdn::cli
