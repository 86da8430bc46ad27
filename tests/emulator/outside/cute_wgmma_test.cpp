// CuTe's sm_90 matrix products, in the layouts that wgmma knows, where CUTLASS's headers are at hand:
// OSDN_CUTLASS_INCLUDE names their folder.
#include <bit>

#include "outside.hpp"

namespace emulator::test {
namespace {

/// Small integers, exact in every format, as are their products; sums are exact in float, and in halves below 2048.
class CuteWgmma : public Outside {
 protected:
  CuteWgmma() { profile_.major = 9; }

  struct Tile {
    std::size_t m, n, k;
    unsigned threads = 128;
  };

  template <class Element, class Sum, class To, class From>
  void check(const char* kernel, const Tile& tile, To to, From from) {
    const std::size_t m = 2 * tile.m, n = 2 * tile.n, k = 3 * tile.k;
    const auto a = integers<int>(m * k, -3, 3), b = integers<int>(n * k, -3, 3);
    std::vector<Element> ga(a.size()), gb(b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ga[i] = to(a[i]);
    for (std::size_t i = 0; i < b.size(); ++i) gb[i] = to(b[i]);
    auto* c = poisoned<Sum>(m * n);
    grid_ = {2, 2, 1};
    block_ = {tile.threads, 1, 1};
    const auto number = [](std::size_t v) { return static_cast<int>(v); };
    const auto fault = launch(kernel, Arguments().add(buffer(ga)).add(buffer(gb)).add(c).add(number(n)).add(number(k)));
    ASSERT_FALSE(fault) << fault->text();
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        int sum = 0;
        for (std::size_t s = 0; s < k; ++s) sum += a[i * k + s] * b[j * k + s];
        ASSERT_EQ(from(c[i * n + j]), static_cast<float>(sum)) << kernel << " " << i << " " << j;
      }
    }
  }
};

std::uint16_t half_bits(int v) {
  if (v == 0) return 0;
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 0xFF) - 112) << 10 | (bits >> 13 & 0x3FF)));
}
float half_value(std::uint16_t v) {
  const float magnitude = std::ldexp(static_cast<float>((v & 0x3FF) | 0x400), (v >> 10 & 31) - 25);
  return (v & 0x7FFF) == 0 ? 0.0f : (v & 0x8000) != 0 ? -magnitude : magnitude;
}
std::uint16_t bf16_bits(int v) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16);
}
float same(float v) {
  return v;
}

TEST_F(CuteWgmma, MultipliesInEveryLayout) {
  const std::string include = cutlass_include();
  if (include.empty()) GTEST_SKIP() << "no CUTLASS: set OSDN_CUTLASS_INCLUDE to its include folder";
  LOAD_OUTSIDE(compile_with_nvcc("cute_wgmma.cu", "compute_90a", {"-I" + include, "--expt-relaxed-constexpr"}));
  check<std::uint16_t, float>("halves", {64, 64, 64}, half_bits, same);
  check<std::uint16_t, float>("transposed", {64, 64, 64}, bf16_bits, same);
  check<std::uint16_t, float>("mixed", {128, 128, 32, 256}, bf16_bits, same);
  check<std::uint16_t, std::uint16_t>("plain", {64, 32, 32}, half_bits, half_value);
  check<std::uint16_t, float>("registers", {64, 128, 32}, bf16_bits, same);
  const auto single = [](int v) { return static_cast<float>(v); };
  check<float, float>("single", {64, 64, 32}, single, same);
}

}  // namespace
}  // namespace emulator::test
