// Which candidates to try next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "osdn/config.hpp"

namespace osdn::autotune {

/// Up to this many candidates all are tried.
inline constexpr std::size_t most_exhaustive = 500;
/// What random with descent spends when nobody says otherwise (docs/autotuning.md has the figures).
inline constexpr std::size_t usual_trials = 200;

/// Asked and told in turns; deterministic: the same candidates, seed and answers give the same questions.
class Search {
 public:
  virtual ~Search() = default;
  /// At most `most` candidates never asked before; fewer while answers are outstanding on which the next question
  /// depends; empty when there is nothing left to ask (every answer told).
  virtual std::vector<Config> ask(std::size_t most) = 0;
  /// The time of a candidate (any unit, the same for all: the ratio to the default); nothing: it failed. One that was
  /// never asked will not be; it counts against no limit.
  virtual void tell(const Config& config, std::optional<double> time) = 0;
  /// How many it may ask in all, as far as is known now.
  [[nodiscard]] virtual std::size_t expected_total() const = 0;
  /// "exhaustive", "random+descent"
  [[nodiscard]] virtual std::string_view name() const = 0;
};

/// Every candidate: the default, a few drawn at random, then always the neighbours of the best known so far. Waits for
/// no answer: which is asked when depends on what was told by then, that all are asked does not. So a sweep that is cut
/// short has the most promising behind it.
[[nodiscard]] std::unique_ptr<Search> exhaustive_search(std::vector<Config> candidates, const Config& usual,
                                                        std::uint64_t seed);

/// The default, then candidates drawn at random, then descent from the best found: its neighbours (which differ in one
/// field, to an adjacent value of those that occur among the candidates), until none is better, then from the next
/// best, until `trials` are spent.
[[nodiscard]] std::unique_ptr<Search> random_descent_search(std::vector<Config> candidates, const Config& usual,
                                                            std::uint64_t seed, std::size_t trials);

/// Exhaustive up to most_exhaustive candidates where `trials` allows all of them, else random with descent; `trials` 0:
/// all, or as many as a sweep usually takes.
[[nodiscard]] std::unique_ptr<Search> make_search(std::vector<Config> candidates, const Config& usual,
                                                  std::uint64_t seed, std::size_t trials);

}  // namespace osdn::autotune
