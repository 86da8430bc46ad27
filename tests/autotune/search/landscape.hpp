// Made-up landscapes: configurations with times and resources.
#pragma once

#include <cstdint>
#include <vector>

#include "autotune/search/race.hpp"
#include "autotune/search/replay.hpp"

namespace osdn::autotune::test {

/// Every combination of a few values of each field: `chunks` · 5 · 3 · `splits` · 2 · 4 · 2 configurations.
std::vector<Config> grid_of_configs(int chunks = 4, int splits = 5);

/// `count` different configurations.
std::vector<Config> some_configs(std::size_t count);

/// Times of 1 µs and more: a product of one factor per field, which has one valley along numbers.
std::vector<Recorded> separable(const std::vector<Config>& configs, std::uint64_t seed);

/// Each configuration with the time at its place, and resources drawn from the seed.
std::vector<Recorded> with_times(const std::vector<Config>& configs, const std::vector<double>& seconds,
                                 std::uint64_t seed);

std::vector<Entrant> entrants(const std::vector<Recorded>& recorded);

/// The seed of this run's random landscapes: fresh, or OSDN_TEST_SEED to repeat one; printed once.
std::uint64_t test_seed();

}  // namespace osdn::autotune::test
