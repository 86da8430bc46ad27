#include "autotune/search/race.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "autotune/search/rounds.hpp"
#include "autotune/search/statistics.hpp"

namespace osdn::autotune {
namespace {

constexpr std::size_t most_samples_kept = 200;

class Race {
 public:
  Race(Laboratory& laboratory, const std::vector<Entrant>& entrants, const RaceOptions& options)
      : laboratory_(laboratory),
        entrants_(entrants),
        options_(options),
        rounds_(laboratory, entrants, options.disturbed, options.broke),
        active_(entrants.size()) {
    std::iota(active_.begin(), active_.end(), std::size_t{0});
  }

  expected<RaceResult> run() {
    if (auto ok = heats(); !ok) return ok.error();
    if (auto ok = final(); !ok) return ok.error();
    return result();
  }

 private:
  /// The rounds of the final count alone: those of the heats chose the finalists, and are flattering to them.
  struct Standing {
    std::size_t entrant = 0;
    Paired to_reference;
    Paired to_best;
  };

  [[nodiscard]] bool out_of_time() const { return options_.out_of_time && options_.out_of_time(); }

  [[nodiscard]] expected<void> anybody_left() const {
    if (!active_.empty()) return {};
    return Error{ErrorCode::internal, "every configuration of the race broke while it was timed; check the device", {}};
  }

  /// Halves the field until as many are left as the final holds.
  expected<void> heats() {
    int rounds = std::max(1, options_.first_rounds);
    const std::size_t seats = std::max<std::size_t>(1, options_.finalists);
    while (active_.size() > seats + 1) {
      if (auto ok = rounds_.take(active_, laboratory_.deterministic() ? 1 : rounds); !ok) return ok;
      if (auto ok = anybody_left(); !ok) return ok;
      out_of_time_ = !laboratory_.deterministic() && out_of_time();
      const bool last = laboratory_.deterministic() || out_of_time_;
      stay(last ? seats : std::max(seats, active_.size() / 2));
      if (last) break;
      rounds *= 2;
    }
    return {};
  }

  /// The reference and the `seats` best of the others go on.
  void stay(std::size_t seats) {
    const std::vector<std::size_t> others(active_.begin() + 1, active_.end());
    std::vector<Entrant> field;
    std::vector<double> ratios;
    std::vector<double> noises;
    for (const std::size_t index : others) {
      const auto pair = rounds_.pair(index, rounds_.reference(), 0);
      field.push_back(entrants_[index]);
      ratios.push_back(pair ? pair->ratio : HUGE_VAL);
      noises.push_back(pair ? pair->noise : 0);
    }
    // Few rounds cannot tell apart what the final may find equal; and the fastest of many looks faster than it is.
    const double tolerance = options_.tolerance + 3 * median(noises);
    std::vector<std::size_t> chosen = select_entrants(field, ratios, seats, tolerance);
    std::sort(chosen.begin(), chosen.end());
    active_.resize(1);
    for (const std::size_t i : chosen) active_.push_back(others[i]);
  }

  expected<void> final() {
    finalists_ = active_;
    if (laboratory_.deterministic()) return deterministic_final();
    begin_ = rounds_.size();
    const int most = std::max(options_.most_final_rounds, static_cast<int>(fewest_for_interval));
    for (int taken = 0;;) {
      // However little time there is: with fewer rounds nothing could be said.
      int batch = std::max(options_.final_rounds, static_cast<int>(fewest_for_interval));
      if (taken == 0 && (out_of_time_ || out_of_time())) batch = static_cast<int>(fewest_for_interval);
      batch = std::min(batch, most - taken);
      if (auto ok = rounds_.take(active_, batch); !ok) return ok;
      if (auto ok = anybody_left(); !ok) return ok;
      taken += batch;
      forget_broken();
      settle();
      if (settled_ || taken >= most) return {};
      out_of_time_ = out_of_time_ || out_of_time();
      if (out_of_time_) return {};
    }
  }

  expected<void> deterministic_final() {
    if (rounds_.size() == 0) {
      if (auto ok = rounds_.take(active_, 1); !ok) return ok;
      if (auto ok = anybody_left(); !ok) return ok;
    }
    forget_broken();
    settle();
    return {};
  }

  /// Takes out of the finalists who is neither active nor was dropped as clearly slower.
  void forget_broken() {
    std::erase_if(finalists_, [&](std::size_t index) {
      return std::find(active_.begin(), active_.end(), index) == active_.end() &&
             std::find(dropped_.begin(), dropped_.end(), index) == dropped_.end();
    });
  }

  [[nodiscard]] Paired pair(std::size_t a, std::size_t b) const {
    if (auto paired = rounds_.pair(a, b, begin_)) return *paired;
    // Every round of the final was disturbed.
    return rounds_.pair(a, b, 0).value_or(Paired{});
  }

  /// Compares the finalists, and drops from further rounds who cannot win.
  void settle() {
    standings_.clear();
    for (const std::size_t index : finalists_) standings_.push_back({index, pair(index, rounds_.reference()), {}});
    std::sort(standings_.begin(), standings_.end(), [&](const Standing& a, const Standing& b) {
      if (a.to_reference.ratio != b.to_reference.ratio) return a.to_reference.ratio < b.to_reference.ratio;
      return leaner(entrants_[a.entrant], entrants_[b.entrant]);
    });
    const std::size_t best = standings_.front().entrant;
    settled_ = true;
    for (Standing& standing : standings_) {
      if (standing.entrant == best) continue;
      standing.to_best = pair(standing.entrant, best);
      if (!decided(standing, best)) settled_ = false;
      const auto& interval = standing.to_best.interval;
      if (standing.entrant == rounds_.reference() || !interval || interval->low <= 1 + options_.tolerance) continue;
      if (std::erase(active_, standing.entrant) != 0) dropped_.push_back(standing.entrant);
    }
  }

  /// Whether more rounds could not change what this finalist means for the choice.
  [[nodiscard]] bool decided(const Standing& standing, std::size_t best) const {
    const auto& interval = standing.to_best.interval;
    if (!interval) return false;
    if (interval->high <= 1 + options_.tolerance || interval->low > 1 + options_.tolerance) return true;
    const bool could_win = standing.entrant == 0 || leaner(entrants_[standing.entrant], entrants_[best]);
    return interval->low > 1 && !could_win;
  }

  [[nodiscard]] bool as_fast_as_best(const Standing& standing) const {
    const Paired& paired = standing.to_best;
    return paired.ratio <= 1 + options_.tolerance || !paired.interval || paired.interval->low <= 1;
  }

  [[nodiscard]] bool beats_default(const Standing& standing) const {
    if (rounds_.reference() != 0) return true;
    const Paired& paired = standing.to_reference;
    return paired.ratio * (1 + options_.tolerance) < 1 && paired.interval && paired.interval->high < 1;
  }

  /// An index into standings_.
  [[nodiscard]] std::size_t winner() const {
    std::optional<std::size_t> leanest;
    std::size_t of_default = 0;
    for (std::size_t i = 0; i < standings_.size(); ++i) {
      const Standing& standing = standings_[i];
      if (standing.entrant == 0) of_default = i;
      if (!as_fast_as_best(standing)) continue;
      if (standing.entrant == 0) return i;
      if (!beats_default(standing)) continue;
      if (!leanest || leaner(entrants_[standing.entrant], entrants_[standings_[*leanest].entrant])) leanest = i;
    }
    return leanest.value_or(of_default);
  }

  [[nodiscard]] Finalist finalist(const Standing& standing) const {
    const Entrant& entrant = entrants_[standing.entrant];
    Finalist out;
    out.config = entrant.config;
    out.sources = entrant.sources;
    out.resources = entrant.resources;
    out.samples = rounds_.samples(standing.entrant, begin_);
    if (out.samples.empty()) out.samples = rounds_.samples(standing.entrant, 0);
    out.median_seconds = median(out.samples);
    out.spread = relative_spread(out.samples);
    if (out.samples.size() > most_samples_kept) out.samples.resize(most_samples_kept);
    const Paired& paired = standing.to_reference;
    const Interval interval = paired.interval.value_or(Interval{paired.ratio, paired.ratio});
    out.ratio = paired.ratio;
    out.ratio_low = interval.low;
    out.ratio_high = interval.high;
    return out;
  }

  [[nodiscard]] RaceResult result() const {
    RaceResult out;
    const std::size_t first = winner();
    out.finalists.push_back(finalist(standings_[first]));
    bool tie = false;
    std::size_t others = 0;
    for (std::size_t i = 0; i < standings_.size(); ++i) {
      tie = tie || (i != 0 && as_fast_as_best(standings_[i]));
      if (i == first) continue;
      const bool is_reference = standings_[i].entrant == rounds_.reference();
      if (is_reference || others++ < options_.reported) out.finalists.push_back(finalist(standings_[i]));
    }
    out.discarded = rounds_.discarded();
    out.ended = out_of_time_ ? "budget" : tie || !settled_ ? "within noise" : "separated";
    return out;
  }

  Laboratory& laboratory_;
  const std::vector<Entrant>& entrants_;
  const RaceOptions& options_;
  Rounds rounds_;
  std::vector<std::size_t> active_;     ///< timed in the next round, the reference first
  std::vector<std::size_t> dropped_;    ///< finalists that are clearly slower
  std::vector<std::size_t> finalists_;  ///< who began the final and did not break
  std::size_t begin_ = 0;               ///< the final's first round
  std::vector<Standing> standings_;     ///< by ratio
  bool settled_ = false;                ///< more rounds would not change the choice
  bool out_of_time_ = false;            ///< and so it ended before it was settled
};

}  // namespace

bool leaner(const Entrant& a, const Entrant& b) {
  const auto weight = [](const Resources& r) {
    return std::tuple(r.shared_bytes, static_cast<std::int64_t>(r.registers) * r.threads, r.spill_bytes,
                      r.workspace_bytes);
  };
  if (weight(a.resources) != weight(b.resources)) return weight(a.resources) < weight(b.resources);
  return to_string(a.config) < to_string(b.config);
}

std::vector<std::size_t> select_entrants(const std::vector<Entrant>& field, const std::vector<double>& ratios,
                                         std::size_t seats, double tolerance) {
  std::vector<std::size_t> fastest(field.size());
  std::iota(fastest.begin(), fastest.end(), std::size_t{0});
  std::sort(fastest.begin(), fastest.end(), [&](std::size_t a, std::size_t b) {
    return ratios[a] != ratios[b] ? ratios[a] < ratios[b] : leaner(field[a], field[b]);
  });
  if (fastest.size() <= seats) return fastest;
  std::vector<std::size_t> leanest;
  for (const std::size_t i : fastest) {
    if (ratios[i] <= ratios[fastest.front()] * (1 + tolerance)) leanest.push_back(i);
  }
  std::sort(leanest.begin(), leanest.end(), [&](std::size_t a, std::size_t b) { return leaner(field[a], field[b]); });
  std::vector<std::size_t> out;
  std::vector<bool> taken(field.size());
  const auto seat = [&](const std::vector<std::size_t>& from, std::size_t& next) {
    while (next < from.size() && taken[from[next]]) ++next;
    if (next == from.size() || out.size() == seats) return;
    taken[from[next]] = true;
    out.push_back(from[next]);
  };
  for (std::size_t by_time = 0, by_weight = 0; out.size() < seats;) {
    seat(fastest, by_time);
    seat(leanest, by_weight);
  }
  return out;
}

expected<RaceResult> race(Laboratory& laboratory, const std::vector<Entrant>& entrants, const RaceOptions& options) {
  if (entrants.empty()) {
    return Error{ErrorCode::internal, "a race without entrants; the default always takes part", {}};
  }
  return Race(laboratory, entrants, options).run();
}

std::vector<Sampled> summarize(const std::vector<std::vector<double>>& rounds, double disturbed) {
  if (rounds.empty()) return {};
  std::vector<double> reference;
  for (const auto& round : rounds) reference.push_back(round.front());
  const std::vector<bool> counts = undisturbed(reference, 0, disturbed);
  const auto kept = static_cast<int>(std::count(counts.begin(), counts.end(), true));
  std::vector<Sampled> out;
  for (std::size_t config = 0; config < rounds.front().size(); ++config) {
    std::vector<double> seconds;
    std::vector<double> logs;
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      if (!counts[i]) continue;
      seconds.push_back(rounds[i][config]);
      logs.push_back(std::log(rounds[i][config] / rounds[i].front()));
    }
    out.push_back({median(seconds), relative_spread(seconds), std::exp(median(logs)), kept,
                   static_cast<int>(rounds.size()) - kept});
  }
  return out;
}

}  // namespace osdn::autotune
