#include "autotune/search/replay.hpp"

#include <cmath>
#include <numbers>

namespace osdn::autotune {
namespace {

bool at_compilation(Outcome outcome) {
  return outcome == Outcome::refused || outcome == Outcome::hung || outcome == Outcome::died;
}

}  // namespace

ReplayLaboratory::ReplayLaboratory(const std::vector<Recorded>& recorded, const Noise& noise, int compilers)
    : noise_(noise), compilers_(compilers), random_(mixed(noise.seed)) {
  for (const Recorded& one : recorded) recorded_.emplace(to_string(one.config), one);
}

const Recorded* ReplayLaboratory::find(const Config& config) const {
  const auto found = recorded_.find(to_string(config));
  return found == recorded_.end() ? nullptr : &found->second;
}

Compiled ReplayLaboratory::compile(const Config& config) {
  ++compiled_;
  const Recorded* const recorded = find(config);
  if (recorded == nullptr) return {{Outcome::refused, "not among the recorded trials"}, {}};
  if (at_compilation(recorded->verdict.outcome)) return {recorded->verdict, {}};
  return {{}, recorded->resources};
}

Verdict ReplayLaboratory::gate(const Config& config) {
  ++gated_;
  const Recorded* const recorded = find(config);
  if (recorded == nullptr) return {Outcome::refused, "not among the recorded trials"};
  return recorded->verdict;
}

void ReplayLaboratory::break_at(const Config& config, std::int64_t after, const Verdict& verdict) {
  breaks_[to_string(config)] = {after, verdict};
}

double ReplayLaboratory::weather() {
  double slower = 1;
  const double turn = 2 * std::numbers::pi * static_cast<double>(round_++) / noise_.drift_rounds;
  slower += noise_.drift * std::sin(turn);
  if (throttled_ == 0 && noise_.throttle > 0 && random_.uniform() < noise_.throttle) {
    throttled_ = noise_.throttle_rounds;
  }
  if (throttled_ == 0) return slower;
  --throttled_;
  return slower * noise_.throttle_factor;
}

double ReplayLaboratory::sample(const Recorded& recorded, double weather) {
  double seconds = recorded.seconds * weather;
  if (noise_.jitter > 0) seconds *= std::exp(noise_.jitter * random_.normal());
  if (noise_.tail > 0) seconds *= 1 - noise_.tail * std::log(1 - random_.uniform());
  if (noise_.spike > 0 && random_.uniform() < noise_.spike) seconds *= noise_.spike_factor;
  ++samples_;
  seconds_timed_ += seconds;
  return seconds;
}

expected<Measurement> ReplayLaboratory::measure(std::span<const Config> configs, int rounds) {
  Measurement out;
  for (int i = 0; i < rounds; ++i) {
    const double slower = weather();
    std::vector<double> round;
    for (std::size_t k = 0; k < configs.size(); ++k) {
      const Recorded* const recorded = find(configs[k]);
      if (recorded == nullptr) {
        return Error{ErrorCode::io, "no recorded trial of " + to_string(configs[k]), {}};
      }
      const auto breaking = breaks_.find(to_string(configs[k]));
      if (breaking != breaks_.end() && breaking->second.left-- <= 0) {
        out.broken = {k, breaking->second.verdict};
        return out;
      }
      round.push_back(sample(*recorded, slower));
    }
    out.rounds.push_back(std::move(round));
  }
  return out;
}

}  // namespace osdn::autotune
