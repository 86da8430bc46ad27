#include "autotune/report/data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <tuple>
#include <utility>

#include "autotune/report/floors.hpp"
#include "generator/fields.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::autotune::report {
namespace {

constexpr std::string_view modelled_caveat = "modelled on the emulator's timing model, not a measurement";
constexpr std::string_view emulated_caveat = "taken on the emulator: its own running time, not a device's";

constexpr std::array outcomes{Outcome::passed,     Outcome::refused,        Outcome::wrong,
                              Outcome::not_finite, Outcome::not_repeatable, Outcome::out_of_bounds,
                              Outcome::faulted,    Outcome::hung,           Outcome::died};

/// Seven digits are more than any of these numbers has; a page of thousands of trials is half as long.
Json number(double value) {
  return std::strtod(fmt::format("{:.7g}", value).c_str(), nullptr);
}

/// Texts that repeat, each once, by index.
class Texts {
 public:
  int index(const std::string& text) {
    const auto [found, added] = known_.try_emplace(text, static_cast<int>(list_.size()));
    if (added) list_.push_back(text);
    return found->second;
  }
  [[nodiscard]] const std::vector<std::string>& list() const { return list_; }

 private:
  std::map<std::string, int> known_;
  std::vector<std::string> list_;
};

Json values(const Config& config) {
  Json out = Json::array();
  for (const auto& field : generator::config_fields()) out.push_back(field.print(config));
  return out;
}

Json software(const Circumstances& circumstances) {
  return {{"when", circumstances.when},
          {"driver", circumstances.driver_version == 0 ? "" : runtime::version_text(circumstances.driver_version)},
          {"nvrtc", circumstances.nvrtc_version == 0 ? "" : runtime::version_text(circumstances.nvrtc_version)},
          {"osdn", circumstances.library_version},
          {"stopwatch", circumstances.stopwatch}};
}

Json describe(const Resources& resources) {
  return {{"registers", resources.registers},       {"spills", resources.spill_bytes},
          {"shared", resources.shared_bytes},       {"threads", resources.threads},
          {"workspace", resources.workspace_bytes}, {"compile", number(resources.compile_ms)}};
}

/// Whether its kernels are written differently now.
bool stale(const Key& key, const Config& config, const std::string& sources, const ReportOptions& options) {
  return options.current_sources && options.current_sources(key, config) != sources;
}

Json describe(const Key& key, const Finalist& finalist, const ReportOptions& options) {
  Json samples = Json::array();
  for (const double sample : finalist.samples) samples.push_back(number(sample));
  return {{"config", values(finalist.config)},
          {"seconds", number(finalist.median_seconds)},
          {"spread", number(finalist.spread)},
          {"ratio", number(finalist.ratio)},
          {"low", number(finalist.ratio_low)},
          {"high", number(finalist.ratio_high)},
          {"stale", stale(key, finalist.config, finalist.sources, options)},
          {"resources", describe(finalist.resources)},
          {"samples", std::move(samples)}};
}

Json describe(const Key& key, const Choice& choice, const ReportOptions& options) {
  Json finalists = Json::array();
  for (const Finalist& finalist : choice.finalists) finalists.push_back(describe(key, finalist, options));
  return {{"shape", to_string(choice.shape)},
          {"default", values(choice.default_config)},
          {"strategy", choice.strategy},
          {"seed", std::to_string(choice.seed)},  // 64 bits do not fit a number of the script
          {"candidates", choice.candidates},
          {"tried", choice.tried},
          {"gated_out", choice.gated_out},
          {"discarded", choice.discarded},
          {"ended", choice.ended},
          {"software", software(choice.circumstances)},
          {"finalists", std::move(finalists)}};
}

Json describe_earlier(const std::vector<Choice>& earlier) {
  Json out = Json::array();
  for (const Choice& choice : earlier) {
    Json row = {{"when", choice.circumstances.when}, {"ended", choice.ended}};
    if (!choice.finalists.empty()) {
      row["winner"] = values(choice.finalists.front().config);
      row["ratio"] = number(choice.finalists.front().ratio);
    }
    out.push_back(std::move(row));
  }
  return out;
}

/// Trials as columns: a name is written once, not once a trial.
Json describe_trials(const Entry& entry, const ReportOptions& options) {
  Texts reasons;
  Texts shapes;
  Texts stopwatches;
  Json columns = Json::object();
  const auto fields = generator::config_fields();
  Json configs = Json::array();
  for (std::size_t i = 0; i < fields.size(); ++i) configs.push_back(Json::array());
  for (const Trial& trial : entry.trials) {
    for (std::size_t i = 0; i < fields.size(); ++i) configs[i].push_back(fields[i].print(trial.config));
    const auto outcome = std::find(outcomes.begin(), outcomes.end(), trial.outcome) - outcomes.begin();
    columns["outcome"].push_back(outcome);
    columns["reason"].push_back(reasons.index(trial.reason));
    columns["seconds"].push_back(number(trial.median_seconds));
    columns["ratio"].push_back(number(trial.ratio));
    columns["spread"].push_back(number(trial.spread));
    columns["samples"].push_back(trial.samples);
    columns["discarded"].push_back(trial.discarded);
    const Json resources = describe(trial.resources);
    for (const auto& [name, value] : resources.items()) columns[name].push_back(value);
    columns["shape"].push_back(shapes.index(to_string(trial.shape)));
    columns["stopwatch"].push_back(stopwatches.index(trial.circumstances.stopwatch));
    columns["when"].push_back(trial.circumstances.when);
    columns["stale"].push_back(stale(entry.key, trial.config, trial.sources, options) ? 1 : 0);
  }
  columns["count"] = entry.trials.size();
  columns["config"] = std::move(configs);
  columns["reasons"] = reasons.list();
  columns["shapes"] = shapes.list();
  columns["stopwatches"] = stopwatches.list();
  return columns;
}

/// The configurations whose distance to the floors is shown: the default and the winner.
Json describe_floors(const Entry& entry) {
  if (!entry.choice || entry.choice->finalists.empty()) return nullptr;
  const Choice& choice = *entry.choice;
  const Problem& problem = entry.key.problem;
  const double token_heads =
      static_cast<double>(choice.shape.b * choice.shape.t) * static_cast<double>(choice.shape.hv);
  const auto rates = rates_of(entry.key.gpu);
  const auto row = [&](const Config& config) {
    const Work work = least_work(problem, choice.shape, config.chunk);
    Json out = {{"chunk", config.chunk},
                {"bytes", number(work.bytes)},
                {"two_phases_bytes", number(work.two_phases_bytes)},
                {"flops", number(work.flops)}};
    if (rates) {
      const Floors least = floors(problem, work, *rates);
      out["memory"] = number(least.memory);
      out["two_phases_memory"] = number(least.two_phases_memory);
      out["tensor"] = number(least.tensor);
    }
    return out;
  };
  Json out = {{"token_heads", number(token_heads)},
              {"winner", row(choice.finalists.front().config)},
              {"default", row(choice.default_config)},
              {"rates", nullptr}};
  if (rates) {
    out["rates"] = {{"bytes_per_second", number(rates->bytes_per_second)},
                    {"flops_per_second", number(rates->flops_per_second)},
                    {"source", rates->source}};
  }
  return out;
}

Json describe(const Entry& entry, const ReportOptions& options) {
  const GpuKey& gpu = entry.key.gpu;
  Json out = {{"problem", to_string(entry.key.problem)},
              {"bucket", to_string(entry.key.bucket)},
              {"gpu",
               {{"name", gpu.name},
                {"arch", fmt::format("sm_{}", gpu.arch)},
                {"multiprocessors", gpu.multiprocessors},
                {"memory_clock_mhz", gpu.memory_clock_mhz},
                {"emulated", gpu.emulated}}},
              {"caveat", caveat(entry)},
              {"modelled", caveat(entry) == modelled_caveat},
              {"origin", entry.origin},
              {"lines", entry.lines},
              {"damaged", entry.damaged},
              {"foreign", entry.foreign},
              {"pin", nullptr},
              {"choice", nullptr}};
  if (entry.pin) out["pin"] = {{"config", values(entry.pin->config)}, {"when", entry.pin->when}};
  if (entry.choice) out["choice"] = describe(entry.key, *entry.choice, options);
  out["earlier"] = describe_earlier(entry.earlier);
  out["floors"] = describe_floors(entry);
  out["trials"] = describe_trials(entry, options);
  return out;
}

}  // namespace

std::string caveat(const Entry& entry) {
  // Trials of another stopwatch than the choice's take no part in what is shown of it.
  std::string stopwatch;
  for (const Trial& trial : entry.trials) {
    if (stopwatch != "modelled") stopwatch = trial.circumstances.stopwatch;
  }
  if (entry.choice) stopwatch = entry.choice->circumstances.stopwatch;
  if (stopwatch == "modelled" || (entry.key.gpu.emulated && stopwatch.empty())) return std::string(modelled_caveat);
  return entry.key.gpu.emulated ? std::string(emulated_caveat) : std::string();
}

std::vector<const Entry*> in_order(const std::vector<Entry>& entries) {
  const auto rank = [](const Entry* entry) {
    return std::tuple(entry->key.gpu, to_string(entry->key.problem), entry->key.bucket, entry->origin);
  };
  std::vector<const Entry*> out;
  for (const Entry& entry : entries) out.push_back(&entry);
  std::stable_sort(out.begin(), out.end(), [&](const Entry* a, const Entry* b) { return rank(a) < rank(b); });
  return out;
}

Json describe(const std::vector<const Entry*>& entries, const ReportOptions& options) {
  Json fields = Json::array();
  for (const auto& field : generator::config_fields()) fields.push_back(field.name);
  Json names = Json::array();
  for (const Outcome outcome : outcomes) names.push_back(name(outcome));
  Json all = Json::array();
  for (const Entry* entry : entries) all.push_back(describe(*entry, options));
  return {{"library", options.library_version},
          {"source", options.source},
          {"fields", std::move(fields)},
          {"outcomes", std::move(names)},
          {"entries", std::move(all)}};
}

std::string script_text(const Json& json) {
  const std::string ascii = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string out;
  out.reserve(ascii.size());
  for (const char c : ascii) {
    // These stand only inside strings of JSON, where the escape means the same.
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace osdn::autotune::report
