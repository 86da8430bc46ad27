#include "autotune/sweep/sweep.hpp"

#include <fmt/format.h>

#include <utility>

#include "autotune/search/search.hpp"
#include "autotune/sweep/conclusion.hpp"
#include "autotune/sweep/ledger.hpp"
#include "autotune/sweep/tryout.hpp"

namespace osdn::autotune {
namespace {

/// Whether the choice in the database is the answer already: it was raced to its end among these very candidates.
bool still_holds(const Choice& choice, const Ledger& ledger, const Space& space, const std::string& stopwatch) {
  if (choice.ended == "interrupted" || choice.ended == "budget") return false;
  if (choice.circumstances.stopwatch != stopwatch) return false;
  if (choice.candidates != static_cast<std::int64_t>(space.candidates.size())) return false;
  if (choice.default_config != space.usual || choice.finalists.empty()) return false;
  for (const Finalist& finalist : choice.finalists) {
    const Trial* trial = ledger.find(finalist.config);
    if (trial == nullptr || trial->outcome != Outcome::passed) return false;
  }
  return true;
}

/// Whether the winner so far could not be tried in this sweep: it ended too early to say anything about it.
bool incumbent_untried(const std::optional<Choice>& choice, Ledger& ledger) {
  if (!choice || choice->finalists.empty()) return false;
  const Finalist& winner = choice->finalists.front();
  return winner.sources == ledger.sources(winner.config) && ledger.find(winner.config) == nullptr;
}

}  // namespace

expected<SweepResult> sweep(const Database& database, Laboratory& laboratory, const SweepOptions& options) {
  auto space = make_space(options.key.problem, options.architecture, options.only, typical_shape(options.key.bucket));
  if (!space) return space.error();
  Clock clock(options);
  Ledger ledger(database, options);
  // What is known already takes nothing from the budget.
  const std::int64_t trials = options.budget.trials > 0 ? options.budget.trials + ledger.known() : 0;
  const auto search = make_search(space->candidates, space->usual, options.seed, static_cast<std::size_t>(trials));
  Tryout tryout(laboratory, ledger, *search, *space, options, clock);
  if (auto done = tryout.run(); !done) return done.error();

  // Whatever was not asked for but is known takes part in the choice.
  for (const Config& config : space->candidates) ledger.take_over(config);

  SweepResult result;
  const auto& before = ledger.choice();
  const bool nothing_new = tryout.tried_anew() == 0 && !options.fresh && before &&
                           still_holds(*before, ledger, *space, options.circumstances.stopwatch);
  if (nothing_new || incumbent_untried(before, ledger)) {
    result.choice = *before;
    result.raced = false;
  } else {
    auto choice = conclude(laboratory, ledger, *search, *space, options, clock);
    if (!choice) return choice.error();
    result.choice = *std::move(choice);
    ledger.record(result.choice);
  }
  result.taken_over = ledger.taken_over();
  result.trials = ledger.trials();
  result.unrecorded = ledger.unrecorded();
  result.seconds = clock.elapsed();
  return result;
}

}  // namespace osdn::autotune
