// The long part of a sweep: candidate after candidate is compiled, checked, timed beside the default and written down.
#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "autotune/search/search.hpp"
#include "autotune/sweep/compile_ahead.hpp"
#include "autotune/sweep/ledger.hpp"
#include "autotune/sweep/sweep.hpp"

namespace osdn::autotune {

class Tryout {
 public:
  Tryout(Laboratory& laboratory, Ledger& ledger, Search& search, const Space& space, const SweepOptions& options,
         const Clock& clock);
  /// Until the search has nothing left to ask or the budget of the trials is spent. Errors: those of the laboratory.
  expected<void> run();
  [[nodiscard]] std::int64_t tried_anew() const { return tried_anew_; }

 private:
  struct Candidate {
    Config config;
    std::future<Compiled> compiling;
    Resources resources{};
  };

  [[nodiscard]] bool spent() const;
  /// Whether the trials of the budget are spent, with so many about to be.
  [[nodiscard]] bool spent_with(std::size_t batched) const;
  void refill();
  void enter_incumbents();
  bool take_over(const Config& config);
  /// Takes candidates off the front until a batch is ready to be timed; nothing when there is nothing left.
  std::vector<Candidate> next_batch();
  /// Whether it compiled, is not put off, and passed the gate.
  bool ready(Candidate& candidate, bool put_off_hopeless);
  bool await(std::future<Compiled>& compiling) const;
  bool looks_hopeless(const Candidate& candidate) const;

  expected<void> time(std::vector<Candidate> batch);
  expected<bool> time_once(std::vector<Candidate>& batch);
  void settle(const Candidate& candidate, Trial trial);
  void fail(const Candidate& candidate, const Verdict& verdict);
  [[nodiscard]] Trial blank(const Config& config, const Resources& resources);
  void report(const char* phase) const;

  Laboratory& laboratory_;
  Ledger& ledger_;
  Search& search_;
  const Space& space_;
  const SweepOptions& options_;
  const Clock& clock_;

  std::deque<Candidate> queue_;
  std::vector<Candidate> later_;    ///< hopeless by the look of them
  std::optional<Config> baseline_;  ///< the default, or the first that passed where the default does not
  double baseline_seconds_ = 0;     ///< where samples do not vary
  double best_seconds_ = 0;
  double waves_of_default_ = 0;
  bool entered_ = false;             ///< the default and the incumbents
  std::optional<Config> incumbent_;  ///< tried, though the search may not have asked for it
  std::optional<Error> lost_;        ///< why nothing more can be tried
  std::int64_t settled_ = 0;
  std::int64_t tried_anew_ = 0;
  std::size_t batch_ = 0;
  CompileAhead compile_ahead_;  ///< last: its threads end before what they look at goes
};

}  // namespace osdn::autotune
