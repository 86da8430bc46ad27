#include "landscape.hpp"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "generator/fields.hpp"

namespace osdn::autotune::test {

std::vector<Config> grid_of_configs(int chunks, int splits) {
  std::vector<Config> out;
  for (int chunk = 0; chunk < chunks; ++chunk)
    for (const int warps : {1, 2, 4, 8, 16})
      for (const int stages : {1, 2, 3})
        for (int split = 1; split <= splits; ++split)
          for (const auto algorithm : {PreconditionerAlgorithm::serial, PreconditionerAlgorithm::parallel})
            for (const int preconditioner_warps : {1, 2, 4, 8})
              for (const auto inverse : {InverseAlgorithm::substitution, InverseAlgorithm::blocked}) {
                out.push_back({16 << chunk, warps, stages, split, algorithm, preconditioner_warps, inverse});
              }
  return out;
}

std::vector<Config> some_configs(std::size_t count) {
  std::vector<Config> all = grid_of_configs();
  all.resize(count);
  return all;
}

std::vector<Recorded> separable(const std::vector<Config>& configs, std::uint64_t seed) {
  std::vector<Recorded> out;
  for (const Config& config : configs) {
    Recorded one{config, 1e-6, {}, {}};
    for (const auto& field : generator::config_fields()) {
      const std::string text = field.print(config);
      const bool number = std::isdigit(static_cast<unsigned char>(text[0])) != 0;
      // Of numbers, a valley around some value; of names, anything.
      Random random(mixed(seed, std::string(field.name) + (number ? "" : text)));
      const double slope = 0.05 + random.uniform();
      const double bottom = 8 * random.uniform();
      one.seconds *= 1 + slope * (number ? std::abs(std::log2(std::stod(text)) - bottom) : 1);
    }
    out.push_back(one);
  }
  return out;
}

std::vector<Recorded> with_times(const std::vector<Config>& configs, const std::vector<double>& seconds,
                                 std::uint64_t seed) {
  Random random(seed);
  std::vector<Recorded> out;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    Resources resources;
    resources.registers = 32 + static_cast<int>(random.bits() % 200);
    resources.shared_bytes = 1024 * (1 + random.bits() % 64);
    resources.threads = 32 << (random.bits() % 5);
    out.push_back({configs[i], seconds[i], resources, {}});
  }
  return out;
}

std::vector<Entrant> entrants(const std::vector<Recorded>& recorded) {
  std::vector<Entrant> out;
  for (const Recorded& one : recorded) out.push_back({one.config, "sources", one.resources});
  return out;
}

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* const given = std::getenv("OSDN_TEST_SEED");
    const std::uint64_t value = given != nullptr ? std::stoull(given) : std::random_device()();
    std::cout << "landscapes and noise are drawn from seed " << value << " (OSDN_TEST_SEED=" << value
              << " repeats them)\n";
    return value;
  }();
  return seed;
}

}  // namespace osdn::autotune::test
