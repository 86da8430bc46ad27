// CuTe's sm_80 matrix product, where CUTLASS's headers are at hand: OSDN_CUTLASS_INCLUDE names their folder.
#include <bit>

#include "outside.hpp"

namespace emulator::test {
namespace {

/// Small integers, exact in every format, as are their products; sums are exact in float.
class Cute : public Outside {
 protected:
  template <class Element, class Accumulator, class To, class From>
  void check(const char* kernel, bool transposed_b, To to, From from) {
    const std::size_t m = 128, n = 64, k = 192;
    const auto a = integers<int>(m * k, -4, 4), b = integers<int>(n * k, -4, 4);
    std::vector<Element> ga(a.size()), gb(b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ga[i] = to(a[i]);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < k; ++j) gb[transposed_b ? j * n + i : i * k + j] = to(b[i * k + j]);
    }
    auto* c = poisoned<Accumulator>(m * n);
    grid_ = {m / 64, n / 64, 1};
    block_ = {128, 1, 1};
    const auto number = [](std::size_t v) { return static_cast<int>(v); };
    const auto fault =
        launch(kernel, Arguments().add(buffer(ga)).add(buffer(gb)).add(c).add(number(m)).add(number(n)).add(number(k)));
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

#define LOAD_CUTE()                                                                                  \
  const std::string include = cutlass_include();                                                     \
  if (include.empty()) GTEST_SKIP() << "no CUTLASS: set OSDN_CUTLASS_INCLUDE to its include folder"; \
  LOAD_OUTSIDE(compile("cute.cu", "compute_80", {"-I" + include}))

TEST_F(Cute, ProductsOfHalves) {
  LOAD_CUTE();
  check<std::uint16_t, float>("half_single", false, half_bits, same);
}
TEST_F(Cute, TransposedOperand) {
  LOAD_CUTE();
  check<std::uint16_t, float>("half_transposed", true, half_bits, same);
  check<std::uint16_t, float>("bf16_single", true, bf16_bits, same);
}
TEST_F(Cute, AccumulatedInHalves) {
  LOAD_CUTE();
  check<std::uint16_t, std::uint16_t>("half_half", false, half_bits, half_value);
}
TEST_F(Cute, Tf32) {
  LOAD_CUTE();
  check<float, float>(
      "tf32_single", false, [](int v) { return static_cast<float>(v); }, same);
}

}  // namespace
}  // namespace emulator::test
