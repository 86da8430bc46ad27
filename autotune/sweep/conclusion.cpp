#include "autotune/sweep/conclusion.hpp"

#include <algorithm>
#include <utility>

#include "autotune/search/race.hpp"

namespace osdn::autotune {
namespace {

// Behind the best trial by more than this a candidate does not race: its trial's noise is smaller.
constexpr double within_reach = 1.25;
constexpr std::size_t most_entrants = 32;

std::vector<const Trial*> ranked(const Ledger& ledger) {
  std::vector<const Trial*> out;
  for (const Trial& trial : ledger.trials()) {
    if (trial.outcome == Outcome::passed && trial.ratio > 0) out.push_back(&trial);
  }
  std::sort(out.begin(), out.end(), [](const Trial* a, const Trial* b) {
    return a->ratio != b->ratio ? a->ratio < b->ratio : to_string(a->config) < to_string(b->config);
  });
  return out;
}

Entrant entrant(const Trial& trial) {
  return {trial.config, trial.sources, trial.resources};
}

/// The default, or what stood in for it, first; then those that might win, by time or by resources.
std::vector<Entrant> entrants(const std::vector<const Trial*>& best, const Config& usual) {
  std::vector<Entrant> out;
  const auto is_usual = [&](const Trial* trial) { return trial->config == usual; };
  const auto found = std::find_if(best.begin(), best.end(), is_usual);
  const Trial* first = found == best.end() ? best.front() : *found;
  out.push_back(entrant(*first));
  std::vector<Entrant> field;
  std::vector<double> ratios;
  for (const Trial* trial : best) {
    if (trial == first || trial->ratio > within_reach * best.front()->ratio) continue;
    field.push_back(entrant(*trial));
    ratios.push_back(trial->ratio);
  }
  for (const std::size_t i : select_entrants(field, ratios, most_entrants, RaceOptions().tolerance)) {
    out.push_back(field[i]);
  }
  return out;
}

Finalist by_trial(const Trial& trial) {
  Finalist out;
  out.config = trial.config;
  out.sources = trial.sources;
  out.median_seconds = trial.median_seconds;
  out.spread = trial.spread;
  out.ratio = trial.ratio;
  out.ratio_low = trial.ratio * (1 - trial.spread);
  out.ratio_high = trial.ratio * (1 + trial.spread);
  out.resources = trial.resources;
  return out;
}

/// What is known without another sample: the best trial if it beats the default clearly, else the default.
std::vector<Finalist> without_a_race(const std::vector<const Trial*>& best, const Config& usual) {
  std::vector<Finalist> out;
  const RaceOptions race;
  for (const Trial* trial : best) {
    const bool is_usual = trial->config == usual;
    if (out.size() <= race.reported || is_usual) out.push_back(by_trial(*trial));
  }
  const auto found = std::find_if(out.begin(), out.end(), [&](const Finalist& f) { return f.config == usual; });
  const bool clearly_faster = out.front().ratio_high < 1 - race.tolerance;
  if (found != out.end() && !clearly_faster) std::rotate(out.begin(), found, found + 1);
  return out;
}

Choice describe(const Ledger& ledger, const Search& search, const Space& space, const SweepOptions& options) {
  Choice choice;
  choice.shape = options.shape;
  choice.default_config = space.usual;
  choice.strategy = search.name();
  choice.seed = options.seed;
  choice.candidates = static_cast<std::int64_t>(space.candidates.size());
  choice.tried = static_cast<std::int64_t>(ledger.trials().size());
  choice.gated_out = std::count_if(ledger.trials().begin(), ledger.trials().end(),
                                   [](const Trial& trial) { return trial.outcome != Outcome::passed; });
  choice.circumstances = options.circumstances;
  choice.circumstances.when = ledger.now();
  return choice;
}

Error nothing_passed(const Ledger& ledger, const Clock& clock) {
  if (ledger.trials().empty()) {
    return {ErrorCode::invalid_argument,
            clock.cancelled() ? "cancelled before the first candidate was timed"
                              : "the budget ended before the first candidate was timed; allow more",
            {}};
  }
  const Trial& first = ledger.trials().front();
  return {ErrorCode::internal,
          "no candidate passed the gate; the first, " + to_string(first.config) + ": " + name(first.outcome) + ": " +
              first.reason + " (the database remembers it; --fresh tries all again)",
          {}};
}

}  // namespace

expected<Choice> conclude(Laboratory& laboratory, Ledger& ledger, const Search& search, const Space& space,
                          const SweepOptions& options, const Clock& clock) {
  std::vector<const Trial*> best = ranked(ledger);
  if (best.empty()) return nothing_passed(ledger, clock);
  if (clock.cancelled()) {
    Choice choice = describe(ledger, search, space, options);
    choice.finalists = without_a_race(best, space.usual);
    choice.ended = "interrupted";
    return choice;
  }
  if (options.progress) {
    TuningProgress progress;
    progress.problem = options.key.problem;
    progress.shape = options.shape;
    progress.done = progress.total = static_cast<std::int64_t>(ledger.trials().size());
    progress.best_seconds = best.front()->median_seconds;
    const Trial* usual = ledger.find(space.usual);
    progress.default_seconds = usual != nullptr ? usual->median_seconds : 0;
    progress.seconds_left = -1;
    progress.phase = "final";
    options.progress(progress);
  }
  std::vector<Trial> broken;
  RaceOptions race_options;
  race_options.out_of_time = [&clock] { return clock.out_of_time(); };
  race_options.broke = [&](const Config& config, const Verdict& verdict) {
    const Trial* known = ledger.find(config);
    if (known == nullptr) return;
    Trial trial = *known;
    trial.outcome = verdict.outcome;
    trial.reason = verdict.reason;
    trial.median_seconds = trial.spread = trial.ratio = 0;
    trial.samples = trial.discarded = 0;
    broken.push_back(std::move(trial));
  };
  auto raced = race(laboratory, entrants(best, space.usual), race_options);
  for (Trial& trial : broken) ledger.record(std::move(trial));
  if (!raced) return raced.error();
  Choice choice = describe(ledger, search, space, options);
  choice.finalists = std::move(raced->finalists);
  choice.discarded = raced->discarded;
  choice.ended = clock.cancelled() ? "interrupted" : raced->ended;
  return choice;
}

}  // namespace osdn::autotune
