// The books of one sweep: what the database knows already, and what is found now, written down as it is found.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autotune/sweep/sweep.hpp"

namespace osdn::autotune {

/// Time of a sweep against its budget.
class Clock {
 public:
  explicit Clock(const SweepOptions& options);
  [[nodiscard]] double elapsed() const;
  [[nodiscard]] bool cancelled() const;
  /// Of the whole budget, or cancelled.
  [[nodiscard]] bool out_of_time() const { return cancelled() || used(1.0); }
  /// Whether the trials have had their share: the rest is the final's.
  [[nodiscard]] bool trials_out_of_time() const { return cancelled() || used(share_of_trials); }

 private:
  static constexpr double share_of_trials = 0.75;
  [[nodiscard]] bool used(double share) const;
  double seconds_;
  std::function<bool()> cancelled_;
  double began_;
};

class Ledger {
 public:
  /// Takes over trials of this key whose kernels are as they were, measured with the same stopwatch; and failures of
  /// the same kernels on the same compute capability under any key. None of them with SweepOptions::fresh.
  Ledger(const Database& database, const SweepOptions& options);

  /// Seconds since 1970; never before what is in the database, for of two records the newer counts, and a clock may
  /// have been wrong.
  [[nodiscard]] std::int64_t now() const;

  /// Trials of the database that may be taken over.
  [[nodiscard]] std::int64_t known() const { return static_cast<std::int64_t>(known_.size()); }
  /// The hash of a configuration's kernels as they are written now.
  const std::string& sources(const Config& config);
  /// What is known of it; null: nothing. A trial taken over counts as one of this sweep from then on.
  const Trial* take_over(const Config& config);
  [[nodiscard]] const Trial* find(const Config& config) const;

  /// The trial, when it is on disk; null: it could not be written, or nothing is remembered.
  const Trial* record(Trial trial);
  void record(const Choice& choice);

  [[nodiscard]] const std::vector<Trial>& trials() const { return trials_; }
  [[nodiscard]] std::int64_t taken_over() const { return taken_over_; }
  [[nodiscard]] const std::optional<Choice>& choice() const { return choice_; }
  [[nodiscard]] const std::optional<Error>& unrecorded() const { return unrecorded_; }

 private:
  void know(const Trial& trial);

  const Database& database_;
  const SweepOptions& options_;
  std::map<std::string, std::string> sources_;  // by the configuration's text
  std::map<std::string, Trial> known_;          // likewise; of the database
  std::map<std::string, std::size_t> at_;       // index in trials_
  std::vector<Trial> trials_;
  std::optional<Choice> choice_;
  std::optional<Error> unrecorded_;
  std::int64_t taken_over_ = 0;
  std::int64_t newest_ = 0;  ///< date of a record in the database
};

}  // namespace osdn::autotune
