// Floating-point arithmetic. The wanted results come from long double, in which the operations on these inputs are
// exact or far more precise, rounded by the definition of each mode.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "machine.hpp"

namespace emulator::test {
namespace {

std::uint32_t as_bits(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}
float as_float(std::uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

/// The float that a mode makes of a real value, by looking at the neighbours.
float round_to_float(long double v, char mode) {
  float near = static_cast<float>(v);  // nearest even: the host's default
  if (std::isinf(near) && std::isfinite(v)) near = std::copysign(std::numeric_limits<float>::max(), near);
  const float below = near <= v ? near : std::nextafter(near, -INFINITY);
  const float above = near >= v ? near : std::nextafter(near, INFINITY);
  switch (mode) {
    case 'z':
      return v > 0 ? below : above;
    case 'm':
      return below;
    case 'p':
      return above;
    default:
      return static_cast<float>(v);
  }
}

class Floats : public Machine {
 protected:
  Floats() : seed_(fresh_seed()), random_(seed_) {}

  /// Significands of 24 random bits, exponents close enough that long double holds sums and products exactly.
  std::vector<float> values(std::size_t count = 6000) {
    std::vector<float> result(count);
    for (float& v : result) {
      v = std::ldexp(1.0f + static_cast<float>(random_() % 8388608) * 0x1p-23f, static_cast<int>(random_() % 12) - 6);
      if (random_() % 2 != 0) v = -v;
      if (random_() % 40 == 0) v = static_cast<float>(random_() % 5) - 2;
    }
    return result;
  }

  using Real = std::function<long double(long double, long double, long double)>;
  void check(const std::string& opcode, const std::string& operands, const Real& f) {
    const auto a = values(), b = values(), c = values();
    for (const auto& [round, mode] :
         {std::pair("rn", 'n'), std::pair("rz", 'z'), std::pair("rm", 'm'), std::pair("rp", 'p')}) {
      const std::string text = opcode + "." + round + ".f32 d, " + operands + ";";
      SCOPED_TRACE(text + ", OSDN_TEST_SEED=" + std::to_string(seed_));
      const auto d = each<float>(text, a, b, c);
      for (std::size_t i = 0; i < a.size(); ++i) {
        const long double exact = f(a[i], b[i], c[i]);
        if (exact == 0 || !std::isfinite(exact)) continue;
        ASSERT_EQ(d[i], round_to_float(exact, mode)) << std::hexfloat << a[i] << ", " << b[i] << ", " << c[i];
      }
    }
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Floats, RoundingModes) {
  check("add", "a, b", [](auto a, auto b, auto) { return a + b; });
  check("sub", "a, b", [](auto a, auto b, auto) { return a - b; });
  check("mul", "a, b", [](auto a, auto b, auto) { return a * b; });
  check("fma", "a, b, c", [](auto a, auto b, auto c) { return a * b + c; });
  // Quotients and roots of 24-bit numbers never lie so close to a float or a midpoint that 64 bits confuse them.
  check("div", "a, b", [](auto a, auto b, auto) { return a / b; });
  check("rcp", "a", [](auto a, auto, auto) { return 1 / a; });
  check("sqrt", "a", [](auto a, auto, auto) { return std::sqrt(a); });
}

TEST_F(Floats, FusedMultiplyAddRoundsOnce) {
  // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24: lost when the product is rounded first.
  const auto d = each<float>("fma.rn.f32 d, a, b, c;", std::vector<float>{1 + 0x1p-12f},
                             std::vector<float>{1 + 0x1p-12f}, std::vector<float>{-(1 + 0x1p-11f)});
  EXPECT_EQ(d[0], 0x1p-24f);
  const auto separate = each<float>("mul.f32 d, a, b;\nadd.f32 d, d, c;", std::vector<float>{1 + 0x1p-12f},
                                    std::vector<float>{1 + 0x1p-12f}, std::vector<float>{-(1 + 0x1p-11f)});
  EXPECT_EQ(separate[0], 0.0f);
}

TEST_F(Floats, DoublePrecision) {
  std::vector<double> a, b, c;
  std::normal_distribution<double> normal;
  for (int i = 0; i < 3000; ++i) {
    a.push_back(normal(random_));
    b.push_back(normal(random_));
    c.push_back(normal(random_));
  }
  const auto sum = each<double>("add.f64 d, a, b;", a, b), product = each<double>("mul.rn.f64 d, a, b;", a, b);
  const auto fused = each<double>("fma.rn.f64 d, a, b, c;", a, b, c), ratio = each<double>("div.rn.f64 d, a, b;", a, b);
  const auto up = each<double>("add.rp.f64 d, a, b;", a, b), down = each<double>("add.rm.f64 d, a, b;", a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(sum[i], a[i] + b[i]);
    ASSERT_EQ(product[i], a[i] * b[i]);
    ASSERT_EQ(fused[i], std::fma(a[i], b[i], c[i]));
    ASSERT_EQ(ratio[i], a[i] / b[i]);
    const long double exact = static_cast<long double>(a[i]) + b[i];
    ASSERT_GE(static_cast<long double>(up[i]), exact);
    ASSERT_LE(static_cast<long double>(down[i]), exact);
    ASSERT_LE(up[i], std::nextafter(down[i], INFINITY));
  }
}

TEST_F(Floats, FlushSaturateAndNan) {
  const std::vector<float> a = {0x1p-130f, -0x1p-130f, 0x1p-126f, 2.0f, -3.0f, NAN, 0.25f};
  const std::vector<float> one(a.size(), 1.0f), half(a.size(), 0.5f);
  const auto kept = each<std::uint32_t>("mul.f32 d, a, b;", a, one);
  const auto flushed = each<std::uint32_t>("mul.ftz.f32 d, a, b;", a, one);
  const auto result_flushed = each<std::uint32_t>("mul.ftz.f32 d, a, b;", a, half);
  const auto saturated = each<float>("mul.sat.f32 d, a, b;", a, one);
  EXPECT_EQ(kept[0], as_bits(0x1p-130f));
  EXPECT_EQ(flushed[0], 0u);
  EXPECT_EQ(flushed[1], 0x80000000u) << "the sign survives";
  EXPECT_EQ(flushed[2], as_bits(0x1p-126f));
  EXPECT_EQ(result_flushed[2], 0u) << "2^-127 is subnormal";
  EXPECT_EQ(saturated[3], 1.0f);
  EXPECT_EQ(saturated[4], 0.0f);
  EXPECT_EQ(as_bits(saturated[5]), 0u) << "a NaN saturates to +0";
  EXPECT_EQ(saturated[6], 0.25f);
  EXPECT_EQ(kept[5], 0x7FFFFFFFu) << "arithmetic makes the canonical NaN";
}

TEST_F(Floats, MinimumAndMaximum) {
  const std::vector<float> a = {1, NAN, 3, 0.0f, -0.0f, NAN, -1}, b = {2, 2, NAN, -0.0f, 0.0f, NAN, -2};
  const auto least = each<std::uint32_t>("min.f32 d, a, b;", a, b),
             most = each<std::uint32_t>("max.f32 d, a, b;", a, b);
  const std::vector<std::uint32_t> min = {as_bits(1), as_bits(2), as_bits(3), 0x80000000,
                                          0x80000000, 0x7FFFFFFF, as_bits(-2)};
  const std::vector<std::uint32_t> max = {as_bits(2), as_bits(2), as_bits(3), 0, 0, 0x7FFFFFFF, as_bits(-1)};
  EXPECT_EQ(least, min);
  EXPECT_EQ(most, max);
  const auto strict = each<std::uint32_t>("max.NaN.f32 d, a, b;", a, b);
  EXPECT_EQ(strict[0], as_bits(2));
  EXPECT_EQ(strict[1], 0x7FFFFFFFu);
  EXPECT_EQ(strict[2], 0x7FFFFFFFu);
}

TEST_F(Floats, ComparisonsOfNan) {
  const std::vector<float> a = {1, 2, NAN, 1, 0.0f}, b = {2, 1, 1, NAN, -0.0f};
  const auto holds = [&](const std::string& how) {
    return each<std::uint32_t>("setp." + how + ".f32 p, a, b;\nselp.u32 d, 1, 0, p;", a, b);
  };
  using Row = std::vector<std::uint32_t>;
  EXPECT_EQ(holds("lt"), (Row{1, 0, 0, 0, 0}));
  EXPECT_EQ(holds("ltu"), (Row{1, 0, 1, 1, 0}));
  EXPECT_EQ(holds("ne"), (Row{1, 1, 0, 0, 0}));
  EXPECT_EQ(holds("neu"), (Row{1, 1, 1, 1, 0}));
  EXPECT_EQ(holds("eq"), (Row{0, 0, 0, 0, 1}));
  EXPECT_EQ(holds("equ"), (Row{0, 0, 1, 1, 1}));
  EXPECT_EQ(holds("ge"), (Row{0, 1, 0, 0, 1}));
  EXPECT_EQ(holds("geu"), (Row{0, 1, 1, 1, 1}));
  EXPECT_EQ(holds("num"), (Row{1, 1, 0, 0, 1}));
  EXPECT_EQ(holds("nan"), (Row{0, 0, 1, 1, 0}));
}

// PTX ISA 9.7.7.1: packed halves are compared on their own; 0xffff, 0xffffffff or 1.0 where it holds.
TEST_F(Floats, HalfComparisons) {
  // 1, 2, NaN, -0, the smallest subnormal and 0 against 2, 1, 1, 0, 0 and the smallest subnormal.
  const std::vector<std::uint16_t> a16{0x3C00, 0x4000, 0x7E00, 0x8000, 0x0001, 0x0000},
      b16{0x4000, 0x3C00, 0x3C00, 0x0000, 0x0000, 0x0001};
  using Row = std::vector<std::uint32_t>;
  using Short = std::vector<std::uint16_t>;
  Row a, b;  // pairs: element i below, element 5 - i above
  for (std::size_t i = 0; i < 6; ++i) {
    a.push_back(a16[i] | static_cast<std::uint32_t>(a16[5 - i]) << 16);
    b.push_back(b16[i] | static_cast<std::uint32_t>(b16[5 - i]) << 16);
  }
  const auto pairs = [](const Row& low, std::uint32_t yes) {
    Row result;
    for (std::size_t i = 0; i < 6; ++i) result.push_back((low[i] != 0 ? yes : 0) | (low[5 - i] != 0 ? yes : 0) << 16);
    return result;
  };
  const Row lt{1, 0, 0, 0, 0, 1}, equ{0, 0, 1, 1, 0, 0}, equ_flushed{0, 0, 1, 1, 1, 1};
  EXPECT_EQ((each<std::uint32_t>("set.lt.u32.f16x2 d, a, b;", a, b)), pairs(lt, 0xFFFF));
  EXPECT_EQ((each<std::uint32_t>("set.lt.f16x2.f16x2 d, a, b;", a, b)), pairs(lt, 0x3C00));
  EXPECT_EQ((each<std::uint32_t>("set.equ.s32.f16x2 d, a, b;", a, b)), pairs(equ, 0xFFFF));
  EXPECT_EQ((each<std::uint32_t>("set.equ.ftz.u32.f16x2 d, a, b;", a, b)), pairs(equ_flushed, 0xFFFF));
  EXPECT_EQ((each<std::uint32_t>("setp.ne.u32 p, a, a;\nset.lt.and.u32.f16x2 d, a, b, p;", a, b)), Row(6, 0));
  EXPECT_EQ((each<std::uint32_t>("setp.ne.u32 p, a, a;\nset.lt.and.u32.f16x2 d, a, b, !p;", a, b)), pairs(lt, 0xFFFF));
  EXPECT_EQ((each<std::uint16_t>("set.lt.u16.f16 d, a, b;", a16, b16)), (Short{0xFFFF, 0, 0, 0, 0, 0xFFFF}));
  EXPECT_EQ((each<std::uint16_t>("set.lt.f16.f16 d, a, b;", a16, b16)), (Short{0x3C00, 0, 0, 0, 0, 0x3C00}));
  EXPECT_EQ((each<std::uint32_t>("set.lt.u32.f16 d, a, b;", a16, b16)), (Row{~0u, 0, 0, 0, 0, ~0u}));
  EXPECT_EQ((each<std::uint32_t>("setp.lt.ftz.f16 p, a, b;\nselp.u32 d, 1, 0, p;", a16, b16)), (Row{1, 0, 0, 0, 0, 0}));
  // The same numbers in bf16: 1, 2, NaN.
  const Row c{0x3F804000, 0x40003F80, 0x7FC07FC0}, e{0x40003F80, 0x40003F80, 0x3F803F80};
  EXPECT_EQ((each<std::uint32_t>("set.lt.bf16x2.bf16x2 d, a, b;", c, e)), (Row{0x3F800000, 0, 0}));
  EXPECT_EQ((each<std::uint32_t>("set.leu.u32.bf16x2 d, a, b;", c, e)), (Row{0xFFFF0000, ~0u, ~0u}));
}

/// f16 and bf16 arithmetic: the exact result in long double, rounded once.
TEST_F(Floats, HalfPrecisionRoundsOnce) {
  for (const bool bf : {false, true}) {
    const int mantissa = bf ? 7 : 10, least = bf ? -126 : -14;
    const std::string type = bf ? "bf16" : "f16";
    const auto value = [&](std::uint16_t h) -> long double {
      if (bf) return as_float(static_cast<std::uint32_t>(h) << 16);
      const int exponent = h >> 10 & 31;
      const long double v = exponent == 0 ? std::ldexp(static_cast<long double>(h & 1023), -24)
                                          : std::ldexp(static_cast<long double>(1024 | (h & 1023)), exponent - 25);
      return (h & 0x8000) != 0 ? -v : v;
    };
    // Nearest even on the grid of the result's binade.
    const auto round = [&](long double v) {
      if (v == 0) return v;
      const int exponent = std::max(std::ilogb(v), least) - mantissa;
      return std::ldexp(std::nearbyint(std::ldexp(v, -exponent)), exponent);
    };
    std::vector<std::uint16_t> a, b, c;
    const auto pick = [&] {  // exponents near one, so that results neither overflow nor leave long double's reach
      const auto one = static_cast<std::uint16_t>(bf ? 0x3F80 : 0x3C00);
      const auto step = static_cast<int>(random_() % (bf ? 1024u : 8192u)) - (bf ? 512 : 4096);
      return static_cast<std::uint16_t>(static_cast<std::uint16_t>(one + step) | (random_() % 2 != 0 ? 0x8000u : 0u));
    };
    for (int i = 0; i < 20000; ++i) {
      a.push_back(pick());
      b.push_back(pick());
      c.push_back(pick());
    }
    const auto check = [&](const std::string& text,
                           const std::function<long double(long double, long double, long double)>& f) {
      SCOPED_TRACE(text + ", OSDN_TEST_SEED=" + std::to_string(seed_));
      const auto d = each<std::uint16_t>(text, a, b, c);
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(value(d[i]), round(f(value(a[i]), value(b[i]), value(c[i])))) << a[i] << ", " << b[i] << ", " << c[i];
      }
    };
    check("add.rn." + type + " d, a, b;", [](auto x, auto y, auto) { return x + y; });
    check("sub.rn." + type + " d, a, b;", [](auto x, auto y, auto) { return x - y; });
    check("mul.rn." + type + " d, a, b;", [](auto x, auto y, auto) { return x * y; });
    check("fma.rn." + type + " d, a, b, c;", [](auto x, auto y, auto z) { return x * y + z; });
    check("neg." + type + " d, a;", [](auto x, auto, auto) { return -x; });
    check("max." + type + " d, a, b;", [](auto x, auto y, auto) { return std::max(x, y); });
    check("{.reg .b32 x, y, z;\nmov.b32 x, {a, b};\nmov.b32 y, {b, c};\nmov.b32 z, {c, a};\nfma.rn." + type +
              "x2 x, x, y, z;\nmov.b32 {_, d}, x;}",
          [](auto x, auto y, auto z) { return y * z + x; });
  }
}

}  // namespace
}  // namespace emulator::test
