// A sweep: from the space of a problem to a choice in the database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/database/database.hpp"
#include "autotune/laboratory.hpp"
#include "generator/architecture.hpp"
#include "osdn/tuner.hpp"

namespace osdn::autotune {

/// The candidates of a problem: legal configurations, and how many each constraint refused.
struct Space {
  std::vector<Config> candidates;
  Config usual;  ///< the default; always a candidate
  struct Refused {
    std::string constraint;
    std::int64_t count = 0;
    std::string example;  ///< the sentence for one of them
  };
  std::vector<Refused> refused;
};

/// `only`: fields that are fixed or narrowed, `chunk=16|32,warps=4`; the default is kept in any case, and so is, in a
/// sweep, the winner so far.
/// Errors: those of generator::configuration_space; invalid_argument for `only`.
/// With a shape, cut sequences are candidates where its chains leave multiprocessors idle.
expected<Space> make_space(const Problem& problem, const generator::Architecture& architecture,
                           const std::string& only = {}, const std::optional<Shape>& shape = {});

struct SweepOptions {
  Key key;
  Shape shape;
  generator::Architecture architecture;
  TuningBudget budget;
  std::uint64_t seed = 1;
  std::string only;    ///< see make_space
  bool fresh = false;  ///< trials in the database do not count
  Circumstances circumstances;
  std::function<void(const TuningProgress&)> progress{};
  std::function<void(const Trial&)> settled{};  ///< called when a trial of this sweep is in the database
  std::function<bool()> cancelled{};            ///< asked often; true: choose among what is known
};

struct SweepResult {
  Choice choice;
  std::vector<Trial> trials;  ///< of every candidate tried, those taken over from the database first
  std::int64_t taken_over = 0;
  bool raced = true;                ///< false: the choice is the database's: nothing was new, or it ended too early
  std::optional<Error> unrecorded;  ///< the first line that could not be written
  double seconds = 0;
};

/// Runs to the end, the budget's end or cancellation; every trial is in the database when its candidate is settled.
/// Errors: those of the laboratory; internal when not one candidate passed. A database that cannot be written costs
/// what it would have remembered, not the sweep (SweepResult::unrecorded).
expected<SweepResult> sweep(const Database& database, Laboratory& laboratory, const SweepOptions& options);

}  // namespace osdn::autotune
