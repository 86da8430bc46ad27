// A sweep over recorded times: a real problem and its real space, in a database of its own, without a device.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autotune/database/database.hpp"
#include "autotune/search/replay.hpp"
#include "autotune/sweep/sweep.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::autotune::test {

/// Times drawn from a seed for every legal configuration of a small DeltaNet problem on sm_80.
class Subject {
 public:
  explicit Subject(std::uint64_t seed = 1);

  [[nodiscard]] const SweepOptions& options() const { return options_; }
  SweepOptions& options() { return options_; }
  [[nodiscard]] Database database() const;
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// What is recorded of a configuration; may be changed.
  Recorded& at(const Config& config);
  std::vector<Recorded>& recorded() { return recorded_; }
  [[nodiscard]] const Config& usual() const { return recorded_.front().config; }
  [[nodiscard]] ReplayLaboratory laboratory(const Noise& noise = {}) const;
  /// The fastest that does not fail.
  [[nodiscard]] const Recorded& best() const;

 private:
  osdn::test::TemporaryDirectory folder_;
  std::string directory_;
  SweepOptions options_;
  std::vector<Recorded> recorded_;
};

/// A sweep that must succeed.
SweepResult sweep_of(const Subject& subject, Laboratory& laboratory);

/// The newest trial of a configuration in the database; null: none.
const Trial* trial_of(const Entry& entry, const Config& config);

}  // namespace osdn::autotune::test
