#include "autotune/search/search.hpp"

#include <algorithm>
#include <deque>
#include <numeric>

#include "autotune/search/grid.hpp"
#include "autotune/search/random.hpp"

namespace osdn::autotune {
namespace {

// What both strategies keep: who was asked, and what was told.
class Asked : public Search {
 public:
  void tell(const Config& config, std::optional<double> time) final {
    const auto index = grid_.find(config);
    if (!index) return;
    State& state = states_[*index];
    if (state.asked && !state.told) --outstanding_;
    // Told without being asked: known from before, so that asking would be a waste.
    state.asked = state.told = true;
    state.time = time;
  }

 protected:
  struct State {
    bool asked = false;
    bool told = false;
    bool expanded = false;  ///< its neighbours were asked
    std::optional<double> time;
  };

  Asked(const std::vector<Config>& candidates, const Config& usual)
      : grid_(candidates, usual), usual_(*grid_.find(usual)), states_(grid_.size()) {}

  /// Moves from the queue to the question until there are `most`.
  void take(std::deque<std::size_t>& queue, std::size_t most, std::vector<Config>& question) {
    while (!queue.empty() && question.size() < most) {
      const std::size_t index = queue.front();
      queue.pop_front();
      if (states_[index].asked) continue;
      states_[index].asked = true;
      ++outstanding_;
      question.push_back(grid_.config(index));
    }
  }

  Grid grid_;
  std::size_t usual_;
  std::vector<State> states_;
  std::size_t outstanding_ = 0;
};

// Descent from the best known, after some draws. Both strategies go this way: the exhaustive one to the end and without
// waiting, so that a sweep that is cut short has the most promising behind it.
class Descent final : public Asked {
 public:
  /// `trials` at most; nothing: all, and then no answer is waited for.
  Descent(const std::vector<Config>& candidates, const Config& usual, std::uint64_t seed,
          std::optional<std::size_t> trials)
      : Asked(candidates, usual),
        exhaustive_(!trials),
        trials_(std::min(trials.value_or(grid_.size()), grid_.size())),
        places_(grid_.size()) {
    // By a hash of each text, not by drawing: a candidate that is added later moves no other.
    for (std::size_t index = 0; index < grid_.size(); ++index) places_[index] = mixed(seed, grid_.text(index));
    drawn_.resize(grid_.size());
    std::iota(drawn_.begin(), drawn_.end(), std::size_t{0});
    std::sort(drawn_.begin(), drawn_.end(), [&](std::size_t a, std::size_t b) { return before(a, b); });
    queue_.push_back(usual_);
    std::size_t draws = std::max<std::size_t>(trials_ / random_share, std::min(trials_, fewest_draws));
    if (exhaustive_) draws = fewest_draws;
    for (std::size_t i = 0; i < drawn_.size() && queue_.size() < draws; ++i) {
      if (drawn_[i] != usual_) queue_.push_back(drawn_[i]);
    }
  }

  std::vector<Config> ask(std::size_t most) override {
    std::vector<Config> question;
    most = std::min(most, trials_ - std::min(trials_, spent_));
    for (;;) {
      take(queue_, most, question);
      // The next centre depends on every answer to what was asked before.
      const bool wait = !exhaustive_ && outstanding_ > 0;
      if (question.size() == most || wait || !next()) break;
    }
    spent_ += question.size();
    return question;
  }
  [[nodiscard]] std::size_t expected_total() const override { return trials_; }
  [[nodiscard]] std::string_view name() const override { return exhaustive_ ? "exhaustive" : "random+descent"; }

 private:
  /// One trial of so many is drawn at random before the descent begins (docs/autotuning.md has the figures).
  static constexpr std::size_t random_share = 4;
  static constexpr std::size_t fewest_draws = 8;

  [[nodiscard]] bool before(std::size_t a, std::size_t b) const {
    if (places_[a] != places_[b]) return places_[a] < places_[b];
    return grid_.text(a) < grid_.text(b);
  }

  /// Queues the neighbours of the best that has not been a centre yet; without one, what comes next in the random
  /// order. False: every candidate was asked.
  bool next() {
    std::optional<std::size_t> centre;
    for (std::size_t index = 0; index < states_.size(); ++index) {
      const State& state = states_[index];
      if (!state.time || state.expanded) continue;
      if (!centre || *state.time < *states_[*centre].time ||
          (*state.time == *states_[*centre].time && before(index, *centre))) {
        centre = index;
      }
    }
    if (centre) {
      states_[*centre].expanded = true;
      for (const std::size_t index : grid_.neighbours(*centre)) queue_.push_back(index);
      return true;
    }
    for (const std::size_t index : drawn_) {
      if (states_[index].asked) continue;
      queue_.push_back(index);
      if (queue_.size() == fewest_draws) break;
    }
    return !queue_.empty();
  }

  bool exhaustive_;
  std::size_t trials_;
  std::size_t spent_ = 0;
  std::vector<std::uint64_t> places_;
  std::vector<std::size_t> drawn_;  ///< all, in the random order
  std::deque<std::size_t> queue_;
};

}  // namespace

std::unique_ptr<Search> exhaustive_search(std::vector<Config> candidates, const Config& usual, std::uint64_t seed) {
  return std::make_unique<Descent>(candidates, usual, seed, std::nullopt);
}

std::unique_ptr<Search> random_descent_search(std::vector<Config> candidates, const Config& usual, std::uint64_t seed,
                                              std::size_t trials) {
  return std::make_unique<Descent>(candidates, usual, seed, trials);
}

std::unique_ptr<Search> make_search(std::vector<Config> candidates, const Config& usual, std::uint64_t seed,
                                    std::size_t trials) {
  const bool affordable = trials == 0 || trials >= candidates.size();
  if (candidates.size() <= most_exhaustive && affordable) return exhaustive_search(std::move(candidates), usual, seed);
  return random_descent_search(std::move(candidates), usual, seed, trials == 0 ? usual_trials : trials);
}

}  // namespace osdn::autotune
