// Recorded trials as a laboratory: searches, races and sweeps without a device, in microseconds, with as much noise as
// one likes and the same noise again for the same seed.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "autotune/laboratory.hpp"
#include "autotune/search/random.hpp"

namespace osdn::autotune {

/// What is known of one configuration.
struct Recorded {
  Config config;
  double seconds = 0;
  Resources resources;
  /// What becomes of it: refused at the compilation, hung and died too, all else at the gate.
  Verdict verdict;
};

/// All zero: every sample is the recorded time.
struct Noise {
  double jitter = 0;  ///< standard deviation of the logarithm of each sample
  double tail = 0;    ///< of a second, one-sided one: the mean of an exponential deviate that delays each sample
  double drift = 0;   ///< amplitude of a slow wave through all samples
  double drift_rounds = 150;
  double spike = 0;  ///< probability of a sample that something else delays
  double spike_factor = 2;
  double throttle = 0;  ///< probability of a round with which a slow period begins, for all configurations
  double throttle_factor = 1.3;
  int throttle_rounds = 8;
  std::uint64_t seed = 1;

  [[nodiscard]] bool silent() const { return jitter == 0 && tail == 0 && drift == 0 && spike == 0 && throttle == 0; }
};

class ReplayLaboratory final : public Laboratory {
 public:
  explicit ReplayLaboratory(const std::vector<Recorded>& recorded, const Noise& noise = {}, int compilers = 1);

  Compiled compile(const Config& config) override;
  [[nodiscard]] int compilers() const override { return compilers_; }
  Verdict gate(const Config& config) override;
  expected<Measurement> measure(std::span<const Config> configs, int rounds) override;
  [[nodiscard]] bool deterministic() const override { return noise_.silent(); }

  /// This configuration breaks at its sample number `after` from now on (0: the next), each time it is timed.
  void break_at(const Config& config, std::int64_t after, const Verdict& verdict);

  // What it was asked so far.
  [[nodiscard]] std::int64_t compiled() const { return compiled_; }
  [[nodiscard]] std::int64_t gated() const { return gated_; }
  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] double seconds_timed() const { return seconds_timed_; }  ///< the sum of all samples

 private:
  struct Break {
    std::int64_t left = 0;
    Verdict verdict;
  };
  [[nodiscard]] const Recorded* find(const Config& config) const;
  /// By how much all samples of this round are slower.
  double weather();
  double sample(const Recorded& recorded, double weather);

  std::unordered_map<std::string, Recorded> recorded_;
  std::map<std::string, Break> breaks_;
  Noise noise_;
  int compilers_;
  Random random_;
  std::int64_t round_ = 0;
  int throttled_ = 0;  ///< rounds that the slow period still lasts
  std::atomic<std::int64_t> compiled_ = 0;
  std::int64_t gated_ = 0;
  std::int64_t samples_ = 0;
  double seconds_timed_ = 0;
};

}  // namespace osdn::autotune
