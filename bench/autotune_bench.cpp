// Replays searches and races on recorded trials: how much time is lost by not trying everything, and how often two
// sweeps under noise choose different winners. bench_autotune [--json] [--seeds N] [FILE]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string>
#include <unordered_map>

#include "autotune/search/landscape.hpp"
#include "autotune/search/race.hpp"
#include "autotune/search/random.hpp"
#include "autotune/search/search.hpp"
#include "autotune/search/statistics.hpp"

namespace osdn::bench {
namespace {

using namespace autotune;
using Json = nlohmann::ordered_json;

struct Field {
  Landscape landscape;
  std::vector<Recorded> recorded;
  std::unordered_map<std::string, double> seconds;
  std::vector<Config> configs;
  double best = HUGE_VAL;
  double usual = 0;
};

Field field_of(const Landscape& landscape) {
  Field out;
  out.landscape = landscape;
  out.recorded = recorded(landscape);
  for (const Recorded& one : out.recorded) {
    out.seconds[to_string(one.config)] = one.seconds;
    out.configs.push_back(one.config);
    out.best = std::min(out.best, one.seconds);
  }
  out.usual = out.seconds.at(to_string(landscape.usual));
  return out;
}

double percentile(std::vector<double> numbers, double part) {
  std::sort(numbers.begin(), numbers.end());
  return numbers[static_cast<std::size_t>(part * static_cast<double>(numbers.size() - 1) + 0.5)];
}

std::string percent(double part) {
  return fmt::format("{:.1f} %", 100 * part);
}

/// The best time of what a search asks within so many trials.
double found(Search& search, const Field& field, std::size_t trials) {
  double best = HUGE_VAL;
  for (std::size_t asked = 0; asked < trials;) {
    const auto question = search.ask(std::min<std::size_t>(16, trials - asked));
    if (question.empty()) break;
    asked += question.size();
    for (const Config& config : question) {
      const double seconds = field.seconds.at(to_string(config));
      best = std::min(best, seconds);
      search.tell(config, seconds / field.usual);
    }
  }
  return best;
}

/// The baseline: so many candidates in a random order, and the default.
double found_at_random(const Field& field, std::uint64_t seed, std::size_t trials) {
  std::vector<std::pair<std::uint64_t, double>> order;
  for (const auto& [text, seconds] : field.seconds) {
    if (text != to_string(field.landscape.usual)) order.emplace_back(mixed(seed, text), seconds);
  }
  std::sort(order.begin(), order.end());
  double best = field.usual;
  for (std::size_t i = 0; i + 1 < trials && i < order.size(); ++i) best = std::min(best, order[i].second);
  return best;
}

Json search_rows(const Field& field, int seeds) {
  Json rows = Json::array();
  for (const std::string strategy : {"exhaustive", "random", "random+descent"}) {
    for (const std::size_t trials : {25U, 50U, 100U, 150U, 200U, 300U, 500U}) {
      if (trials > field.configs.size()) continue;
      std::vector<double> regrets;
      for (int i = 1; i <= seeds; ++i) {
        const auto seed = static_cast<std::uint64_t>(i);
        double best = 0;
        if (strategy == "random") {
          best = found_at_random(field, seed, trials);
        } else {
          const auto search = strategy == "exhaustive"
                                  ? exhaustive_search(field.configs, field.landscape.usual, seed)
                                  : random_descent_search(field.configs, field.landscape.usual, seed, trials);
          best = found(*search, field, trials);
        }
        regrets.push_back(best / field.best - 1);
      }
      const auto exact = std::count_if(regrets.begin(), regrets.end(), [](double regret) { return regret <= 1e-9; });
      rows.push_back({{"strategy", strategy},
                      {"trials", trials},
                      {"median", percentile(regrets, 0.5)},
                      {"p95", percentile(regrets, 0.95)},
                      {"best_found", static_cast<double>(exact) / static_cast<double>(regrets.size())}});
    }
  }
  return rows;
}

Noise noise_of(double jitter, std::uint64_t seed) {
  Noise noise;
  noise.jitter = jitter;
  noise.drift = 0.05;
  noise.spike = 0.01;
  noise.throttle = 0.005;
  noise.seed = seed;
  return noise;
}

struct Sweep {
  std::string winner;   ///< by the tie rule
  std::string fastest;  ///< without it
  std::int64_t samples = 0;
  std::int64_t discarded = 0;
};

/// A sweep of all candidates under noise: a short trial of each beside the default, then a race of the most promising.
Sweep sweep(const Field& field, const Noise& noise, const RaceOptions& options, int rounds, std::size_t seats) {
  ReplayLaboratory laboratory(field.recorded, noise);
  std::vector<Entrant> entrants;
  std::vector<double> ratios;
  Entrant usual;
  for (const Recorded& one : field.recorded) {
    const Entrant entrant{one.config, {}, one.resources};
    if (one.config == field.landscape.usual) {
      usual = entrant;
      continue;
    }
    const Config both[] = {field.landscape.usual, one.config};
    const auto measured = laboratory.measure(both, rounds).value_or_throw();
    entrants.push_back(entrant);
    ratios.push_back(summarize(measured.rounds, options.disturbed)[1].ratio);
  }
  const std::int64_t before = laboratory.samples();
  std::vector<Entrant> chosen = {usual};
  for (const std::size_t i : select_entrants(entrants, ratios, seats, options.tolerance)) {
    chosen.push_back(entrants[i]);
  }
  const RaceResult result = race(laboratory, chosen, options).value_or_throw();
  const auto fastest = std::min_element(result.finalists.begin(), result.finalists.end(),
                                        [](const auto& a, const auto& b) { return a.ratio < b.ratio; });
  return {to_string(result.finalists.front().config), to_string(fastest->config), laboratory.samples() - before,
          result.discarded};
}

/// How probable it is that two sweeps choose differently.
double flips(const std::map<std::string, int>& winners, int runs) {
  double same = 0;
  for (const auto& [winner, count] : winners) same += static_cast<double>(count) * (count - 1);
  return 1 - same / (static_cast<double>(runs) * (runs - 1));
}

Json race_rows(const Field& field, int seeds, const RaceOptions& options, int rounds, std::size_t seats) {
  Json rows = Json::array();
  for (const double jitter : {0.003, 0.01, 0.03, 0.05}) {
    std::map<std::string, int> winners;
    std::map<std::string, int> fastest;
    std::vector<double> regrets;
    std::vector<double> samples;
    double discarded = 0;
    int worse = 0;
    for (int i = 1; i <= seeds; ++i) {
      const Sweep one = sweep(field, noise_of(jitter, static_cast<std::uint64_t>(i)), options, rounds, seats);
      ++winners[one.winner];
      ++fastest[one.fastest];
      const double seconds = field.seconds.at(one.winner);
      regrets.push_back(seconds / field.best - 1);
      samples.push_back(static_cast<double>(one.samples));
      discarded += static_cast<double>(one.discarded);
      worse += seconds > field.usual ? 1 : 0;
    }
    rows.push_back({{"jitter", jitter},
                    {"flips", flips(winners, seeds)},
                    {"flips_without_tie_rule", flips(fastest, seeds)},
                    {"winners", winners.size()},
                    {"median_regret", percentile(regrets, 0.5)},
                    {"p95_regret", percentile(regrets, 0.95)},
                    {"worse_than_default", worse},
                    {"samples", percentile(samples, 0.5)},
                    {"discarded", discarded / std::accumulate(samples.begin(), samples.end(), 0.0)}});
  }
  return rows;
}

void print(const Json& all) {
  for (const Json& field : all) {
    std::cout << fmt::format("\n{} at {} on {}: {} configurations; the default is {} slower than the best\n({})\n\n",
                             field["problem"].get<std::string>(), field["shape"].get<std::string>(),
                             field["arch"].get<std::string>(), field["configurations"].get<int>(),
                             percent(field["default"].get<double>() - 1), field["origin"].get<std::string>());
    std::cout << "| search | trials | regret, median | 95th percentile | best found |\n|---|---|---|---|---|\n";
    for (const Json& row : field["search"]) {
      std::cout << fmt::format("| {} | {} | {} | {} | {} |\n", row["strategy"].get<std::string>(),
                               row["trials"].get<int>(), percent(row["median"]), percent(row["p95"]),
                               percent(row["best_found"]));
    }
    std::cout << "\n| jitter | two sweeps differ | without the tie rule | winners | regret, median | 95th percentile | "
                 "worse than the default | samples of a race | discarded |\n|---|---|---|---|---|---|---|---|---|\n";
    for (const Json& row : field["race"]) {
      std::cout << fmt::format("| {} | {} | {} | {} | {} | {} | {} | {:.0f} | {} |\n", percent(row["jitter"]),
                               percent(row["flips"]), percent(row["flips_without_tie_rule"]), row["winners"].get<int>(),
                               percent(row["median_regret"]), percent(row["p95_regret"]),
                               row["worse_than_default"].get<int>(), row["samples"].get<double>(),
                               percent(row["discarded"]));
    }
  }
}

int run(const std::string& path, int seeds, bool json) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  Json all = Json::array();
  for (const Landscape& landscape : parse_landscapes(text.str()).value_or_throw()) {
    const Field field = field_of(landscape);
    all.push_back({{"problem", to_string(landscape.problem)},
                   {"shape", to_string(landscape.shape)},
                   {"arch", landscape.arch},
                   {"origin", landscape.origin},
                   {"configurations", field.configs.size()},
                   {"default", field.usual / field.best},
                   {"seeds", seeds},
                   {"search", search_rows(field, seeds)},
                   {"race", race_rows(field, seeds, {}, 4, 32)}});
  }
  if (json) {
    std::cout << all.dump(2) << "\n";
  } else {
    print(all);
  }
  return all.empty() ? 1 : 0;
}

}  // namespace
}  // namespace osdn::bench

int main(int count, char** words) {
  std::string path = OSDN_RECORDED_TRIALS;
  int seeds = 200;
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      json = true;
    } else if (word == "--seeds" && i + 1 < count) {
      seeds = std::atoi(words[++i]);
    } else {
      path = word;
    }
  }
  try {
    return osdn::bench::run(path, seeds, json);
  } catch (const std::exception& error) {
    std::cerr << path << ": " << error.what() << "\n";
    return 1;
  }
}
