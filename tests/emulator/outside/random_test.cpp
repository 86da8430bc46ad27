// cuRAND's device generators: the sequences that their inventors define, and the statistics of what is made of them.
#include "outside.hpp"

namespace emulator::test {
namespace {

using Generators = Outside;

/// Philox4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0], p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

TEST_F(Generators, PhiloxIsPhilox) {
  LOAD_OUTSIDE(compile("random.cu"));
  const std::uint64_t seed = seed_ * 0x9E3779B97F4A7C15u;
  constexpr std::size_t n = 512;
  std::uint32_t* bits = poisoned<std::uint32_t>(4 * n);
  float* uniform = poisoned<float>(n);
  float* normal = poisoned<float>(4 * n);
  go("philox", Arguments().add(bits).add(uniform).add(normal).add(seed), 4, 128);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // The subsequence fills the upper half of the counter; the offset of 3 skips three numbers of the first four.
    const auto first = philox({0, 0, static_cast<std::uint32_t>(i), 0}, static_cast<std::uint32_t>(seed),
                              static_cast<std::uint32_t>(seed >> 32));
    const auto second = philox({1, 0, static_cast<std::uint32_t>(i), 0}, static_cast<std::uint32_t>(seed),
                               static_cast<std::uint32_t>(seed >> 32));
    ASSERT_EQ(bits[4 * i], first[3]) << i;
    for (std::size_t k = 0; k < 3; ++k) ASSERT_EQ(bits[4 * i + 1 + k], second[k]) << i;
    ASSERT_GT(uniform[i], 0.0f);
    ASSERT_LE(uniform[i], 1.0f);
    for (std::size_t k = 0; k < 4; ++k) {
      sum += static_cast<double>(normal[4 * i + k]);
      squares += static_cast<double>(normal[4 * i + k]) * static_cast<double>(normal[4 * i + k]);
    }
  }
  // Six standard deviations of the mean and of the mean square of 2048 numbers.
  EXPECT_LT(std::fabs(sum / (4 * n)), 6 / std::sqrt(4.0 * n));
  EXPECT_LT(std::fabs(squares / (4 * n) - 1), 6 * std::sqrt(2.0 / (4 * n)));
}

TEST_F(Generators, OthersAreUniformNormalAndPoisson) {
  LOAD_OUTSIDE(compile("random.cu"));
  constexpr std::size_t n = 256;
  std::uint32_t* bits = poisoned<std::uint32_t>(4 * n);
  double* normal = poisoned<double>(n);
  std::uint32_t* poisson = poisoned<std::uint32_t>(n);
  go("xorwow", Arguments().add(bits).add(normal).add(poisson).add(seed_), 2, 128);
  double* uniform = poisoned<double>(4 * n);
  go("mrg", Arguments().add(uniform).add(seed_), 2, 128);
  double mean = 0, first = 0, spread = 0, events = 0;
  for (std::size_t i = 0; i < 4 * n; ++i) {
    mean += uniform[i] / (4 * n);
    first += bits[i] * 0x1p-32 / (4 * n);
  }
  for (std::size_t i = 0; i < n; ++i) {
    spread += normal[i] * normal[i] / n;
    events += static_cast<double>(poisson[i]) / n;
  }
  EXPECT_LT(std::fabs(mean - 0.5), 6 / std::sqrt(12.0 * 4 * n));
  EXPECT_LT(std::fabs(first - 0.5), 6 / std::sqrt(12.0 * 4 * n));
  EXPECT_LT(std::fabs(spread - 1), 6 * std::sqrt(2.0 / n));
  EXPECT_LT(std::fabs(events - 12.5), 6 * std::sqrt(12.5 / n));
}

}  // namespace
}  // namespace emulator::test
