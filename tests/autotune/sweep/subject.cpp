#include "subject.hpp"

#include <gtest/gtest.h>

#include "autotune/search/random.hpp"

namespace osdn::autotune::test {

Subject::Subject(std::uint64_t seed) : directory_(folder_ / "tuning") {
  options_.key.problem =
      canonical(parse_problem("osdn_forward:type=fp32,k=16,v=16,precondition=none").value_or_throw()).value_or_throw();
  options_.shape = parse_shape("b=1,t=512,h=4").value_or_throw();
  options_.key.bucket = bucket_of(options_.shape);
  options_.architecture = generator::find_architecture("sm_80").value_or_throw();
  options_.key.gpu = {"Test GPU", 108, 80, 1500, true};
  options_.budget = {0, 0};
  options_.circumstances.stopwatch = "modelled";
  options_.circumstances.library_version = "test";
  Random random(seed);
  for (const Config& config : make_space(options_.key.problem, options_.architecture).value_or_throw().candidates) {
    Recorded row;
    row.config = config;
    row.seconds = 1e-4 * (1 + random.uniform());
    row.resources.registers = 64 + config.warps;
    row.resources.shared_bytes = 1024;
    recorded_.push_back(row);
  }
}

Database Subject::database() const {
  DatabaseOptions options;
  options.directory = directory_;
  options.library_entries = false;
  return Database::open(std::move(options)).value_or_throw();
}

Recorded& Subject::at(const Config& config) {
  for (Recorded& row : recorded_) {
    if (row.config == config) return row;
  }
  throw std::out_of_range(to_string(config));
}

ReplayLaboratory Subject::laboratory(const Noise& noise) const {
  return ReplayLaboratory(recorded_, noise, 2);
}

const Recorded& Subject::best() const {
  const Recorded* best = nullptr;
  for (const Recorded& row : recorded_) {
    if (row.verdict.outcome != Outcome::passed) continue;
    if (best == nullptr || row.seconds < best->seconds) best = &row;
  }
  return *best;
}

SweepResult sweep_of(const Subject& subject, Laboratory& laboratory) {
  return sweep(subject.database(), laboratory, subject.options()).value_or_throw();
}

const Trial* trial_of(const Entry& entry, const Config& config) {
  for (const Trial& trial : entry.trials) {
    if (trial.config == config) return &trial;
  }
  return nullptr;
}

}  // namespace osdn::autotune::test
