#include "autotune/search/rounds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace osdn::autotune {
namespace {

constexpr double absent = -1;

Error defect(std::string message) {
  return {ErrorCode::internal, std::move(message), {}};
}

// What every laboratory promises: whole rounds, positive times, progress.
expected<void> check(const Measurement& measurement, const std::vector<std::size_t>& active,
                     const std::vector<Entrant>& entrants, int count) {
  if (measurement.broken && measurement.broken->index >= active.size()) {
    return defect(fmt::format("the laboratory says that configuration number {} broke, of {} that were timed",
                              measurement.broken->index, active.size()));
  }
  if (!measurement.broken && measurement.rounds.size() != static_cast<std::size_t>(count)) {
    return defect(fmt::format("the laboratory was asked for {} rounds and gave {}", count, measurement.rounds.size()));
  }
  for (const auto& round : measurement.rounds) {
    if (round.size() != active.size()) {
      return defect(
          fmt::format("the laboratory gave a round of {} samples for {} configurations", round.size(), active.size()));
    }
    for (std::size_t i = 0; i < round.size(); ++i) {
      if (std::isfinite(round[i]) && round[i] > 0) continue;
      return defect(fmt::format("the laboratory gave a time of {} s for {}; a time is finite and above zero", round[i],
                                to_string(entrants[active[i]].config)));
    }
  }
  return {};
}

}  // namespace

Rounds::Rounds(Laboratory& laboratory, const std::vector<Entrant>& entrants, double disturbed,
               std::function<void(const Config&, const Verdict&)> broke)
    : laboratory_(laboratory), entrants_(entrants), disturbed_(disturbed), broke_(std::move(broke)) {}

expected<Measurement> Rounds::measure(const std::vector<std::size_t>& active, int count) {
  std::vector<Config> configs;
  for (const std::size_t index : active) configs.push_back(entrants_[index].config);
  auto measurement = laboratory_.measure(configs, count);
  if (!measurement) return measurement;
  if (auto ok = check(*measurement, active, entrants_, count); !ok) return ok.error();
  return measurement;
}

expected<void> Rounds::take(std::vector<std::size_t>& active, int count) {
  while (count > 0 && !active.empty()) {
    reference_ = active.front();
    const auto measurement = measure(active, count);
    if (!measurement) return measurement.error();
    keep(active, *measurement);
    count -= static_cast<int>(measurement->rounds.size());
    if (!measurement->broken) continue;
    const std::size_t index = measurement->broken->index;
    if (broke_) broke_(entrants_[active[index]].config, measurement->broken->verdict);
    if (index == 0) references_.clear();
    active.erase(active.begin() + static_cast<std::ptrdiff_t>(index));
    if (!active.empty()) reference_ = active.front();
  }
  return {};
}

void Rounds::keep(const std::vector<std::size_t>& active, const Measurement& measurement) {
  const std::size_t first = references_.size();
  for (const auto& round : measurement.rounds) references_.push_back(round.front());
  if (measurement.rounds.empty()) return;
  const std::vector<bool> counts = undisturbed(references_, first, disturbed_);
  for (std::size_t i = 0; i < measurement.rounds.size(); ++i) {
    if (!counts[i]) {
      discarded_ += static_cast<std::int64_t>(active.size());
      continue;
    }
    std::vector<double> round(entrants_.size(), absent);
    for (std::size_t k = 0; k < active.size(); ++k) round[active[k]] = measurement.rounds[i][k];
    rounds_.push_back(std::move(round));
  }
}

std::optional<Paired> Rounds::pair(std::size_t a, std::size_t b, std::size_t from) const {
  std::vector<double> logs;
  for (std::size_t i = from; i < rounds_.size(); ++i) {
    const auto& round = rounds_[i];
    if (round[a] > 0 && round[b] > 0) logs.push_back(std::log(round[a] / round[b]));
  }
  if (logs.empty()) return std::nullopt;
  Paired out;
  out.ratio = std::exp(median(logs));
  out.noise = standard_error(logs);
  if (laboratory_.deterministic()) out.interval = Interval{out.ratio, out.ratio};
  if (const auto interval = median_interval(std::move(logs))) {
    out.interval = Interval{std::exp(interval->low), std::exp(interval->high)};
  }
  return out;
}

std::vector<double> Rounds::samples(std::size_t entrant, std::size_t from) const {
  std::vector<double> out;
  for (std::size_t i = from; i < rounds_.size(); ++i) {
    if (rounds_[i][entrant] > 0) out.push_back(rounds_[i][entrant]);
  }
  return out;
}

}  // namespace osdn::autotune
