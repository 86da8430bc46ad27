// Mathematical functions with their slow paths, roundings and conversions, and the small formats, against the host's.
#include <bit>
#include <cfenv>

#include "outside.hpp"

namespace emulator::test {
namespace {

using Numbers = Outside;

/// Distance in units of the last place of `expected`.
double ulps(double got, double expected) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  if (!std::isfinite(got) || !std::isfinite(expected)) return INFINITY;
  int exponent = 0;
  std::frexp(expected, &exponent);
  return std::fabs(got - expected) / std::ldexp(1.0, std::max(exponent, -1021) - 53);
}
double ulps(float got, double expected) {
  const auto rounded = static_cast<float>(expected);
  if (got == rounded || (std::isnan(got) && std::isnan(rounded))) return 0;
  if (!std::isfinite(got) || !std::isfinite(rounded)) return INFINITY;
  int exponent = 0;
  std::frexp(expected, &exponent);
  return std::fabs(static_cast<double>(got) - expected) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

// Tolerances are twice what the CUDA C++ Programming Guide states (Mathematical Functions Appendix), for the host errs
// as well; arguments reach the slow paths of sine and cosine.
TEST_F(Numbers, FunctionsInDouble) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  auto in = reals<double>(256, -1000, 1000);
  in[0] = 1e22;
  in[2] = -1e300;
  in[4] = 0x1p-1060;
  double* out = poisoned<double>(128 * 36);
  go("doubles", Arguments().add(buffer(in)).add(out), 2, 64);
  for (std::size_t i = 0; i < 128; ++i) {
    const double x = in[2 * i], y = in[2 * i + 1];
    int exponent = 0;
    double whole = 0;
    const double fraction = std::frexp(x, &exponent), rest = std::modf(x, &whole);
    const std::pair<double, double> expected[36] = {{std::sin(x), 4},
                                                    {std::cos(x), 4},
                                                    {std::tan(x), 5},
                                                    {std::exp(x / 100), 3},
                                                    {std::exp2(x / 50), 3},
                                                    {std::expm1(x / 1000), 3},
                                                    {std::log(std::fabs(x)), 3},
                                                    {std::log1p(std::fabs(x)), 3},
                                                    {std::log2(std::fabs(y)), 3},
                                                    {std::log10(std::fabs(y)), 3},
                                                    {std::pow(std::fabs(x), y / 50), 5},
                                                    {std::sqrt(std::fabs(x)), 0},
                                                    {std::cbrt(x), 3},
                                                    {1 / std::sqrt(std::fabs(y)), 3},
                                                    {std::erf(x / 100), 5},
                                                    {std::erfc(y / 100), 12},
                                                    {std::lgamma(x / 10), 60},
                                                    {std::tgamma(x / 100), 24},
                                                    {std::sinh(x / 100), 5},
                                                    {std::cosh(y / 100), 4},
                                                    {std::tanh(x / 100), 4},
                                                    {std::asin(x / 1000), 5},
                                                    {std::acos(y / 1000), 5},
                                                    {std::atan(x), 5},
                                                    {std::atan2(x, y), 5},
                                                    {std::hypot(x, y), 4},
                                                    {std::fmod(x, y), 0},
                                                    {std::remainder(x, y), 0},
                                                    {fraction + exponent, 0},
                                                    {std::ldexp(x, 70), 0},
                                                    {rest + whole, 0},
                                                    {std::asinh(x), 6},
                                                    {x / y, 0},
                                                    {std::fma(x, y, std::sin(x)), 4},
                                                    {0, INFINITY},
                                                    {0, INFINITY}};
    for (std::size_t k = 0; k < 34; ++k) {
      if (k == 16 && x < 0) continue;  // near its zeros lgamma is only absolutely exact
      if ((k == 26 || k == 33) && std::fabs(x) > 1e21) continue;
      if ((k == 21) && std::fabs(x) > 1000) continue;
      ASSERT_LE(ulps(out[i * 36 + k], expected[k].first), expected[k].second)
          << k << ": " << x << " " << y << " gives " << out[i * 36 + k] << ", not " << expected[k].first;
    }
  }
}

TEST_F(Numbers, FunctionsInSingle) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  const auto in = reals<float>(256, -1000, 1000);
  float* out = poisoned<float>(128 * 28);
  go("floats", Arguments().add(buffer(in)).add(out), 2, 64);
  for (std::size_t i = 0; i < 128; ++i) {
    const float x = in[2 * i], y = in[2 * i + 1];
    const double far = static_cast<double>(x * 1000), dx = static_cast<double>(x), dy = static_cast<double>(y);
    const double hundredth = static_cast<double>(x / 100), fiftieth = static_cast<double>(x / 50);
    const std::pair<double, double> expected[26] = {{std::sin(far), 4},
                                                    {std::cos(far), 4},
                                                    {std::tan(dx), 8},
                                                    {std::exp(hundredth), 4},
                                                    {std::exp2(fiftieth), 4},
                                                    {std::expm1(static_cast<double>(x / 1000)), 2},
                                                    {std::log(std::fabs(dx)), 2},
                                                    {std::log1p(std::fabs(dx)), 2},
                                                    {std::log2(std::fabs(dy)), 2},
                                                    {std::pow(std::fabs(dx), static_cast<double>(y / 50)), 16},
                                                    {std::sqrt(std::fabs(dx)), 0.5},
                                                    {std::cbrt(dx), 2},
                                                    {1 / std::sqrt(std::fabs(dy)), 4},
                                                    {std::erf(hundredth), 4},
                                                    {std::erfc(static_cast<double>(y / 100)), 8},
                                                    {0, INFINITY},
                                                    {0, INFINITY},
                                                    {std::sinh(hundredth), 6},
                                                    {std::tanh(hundredth), 4},
                                                    {std::asin(static_cast<double>(x / 1000)), 4},
                                                    {std::acos(static_cast<double>(y / 1000)), 4},
                                                    {std::atan2(dx, dy), 6},
                                                    {std::hypot(dx, dy), 6},
                                                    {std::fmod(dx, dy), 0.5},
                                                    {std::remainder(dx, dy), 0.5},
                                                    {dx / dy, 0.5}};
    for (std::size_t k = 0; k < 26; ++k) {
      ASSERT_LE(ulps(out[i * 28 + k], expected[k].first), expected[k].second)
          << k << ": " << x << " " << y << " gives " << out[i * 28 + k] << ", not " << expected[k].first;
    }
  }
}

/// The host's own arithmetic in a direction of rounding.
template <class F>
auto rounded(int direction, F f) -> decltype(f()) {
  std::fesetround(direction);
  const volatile auto result = f();  // not to be moved behind the next call
  std::fesetround(FE_TONEAREST);
  return result;
}

TEST_F(Numbers, DirectionsOfRounding) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  const auto in = reals<double>(256, -100, 100);
  const auto singles = reals<float>(256, -100, 100);
  double* out = poisoned<double>(128 * 16);
  float* single = poisoned<float>(128 * 12);
  go("roundings", Arguments().add(buffer(in)).add(buffer(singles)).add(out).add(single), 1, 128);
  for (std::size_t t = 0; t < 128; ++t) {
    const volatile double x = in[2 * t], y = in[2 * t + 1];
    const int up = FE_UPWARD, down = FE_DOWNWARD, zero = FE_TOWARDZERO;
    const double expected[16] = {rounded(up, [&] { return x + y; }),
                                 rounded(down, [&] { return x + y; }),
                                 rounded(zero, [&] { return x + y; }),
                                 rounded(up, [&] { return x * y; }),
                                 rounded(down, [&] { return x * y; }),
                                 rounded(zero, [&] { return x * y; }),
                                 rounded(up, [&] { return x / y; }),
                                 rounded(down, [&] { return x / y; }),
                                 rounded(zero, [&] { return x / y; }),
                                 rounded(up, [&] { return std::sqrt(std::fabs(x)); }),
                                 rounded(down, [&] { return std::sqrt(std::fabs(x)); }),
                                 rounded(up, [&] { return 1.0 / y; }),
                                 rounded(up, [&] { return std::fma(x, y, x); }),
                                 rounded(down, [&] { return std::fma(x, y, x); }),
                                 rounded(zero, [&] { return 1.0 / y; }),
                                 rounded(zero, [&] { return std::fma(x, y, y); })};
    for (std::size_t k = 0; k < 16; ++k) ASSERT_EQ(out[t * 16 + k], expected[k]) << k << ": " << x << " " << y;
    const volatile float a = singles[2 * t], b = singles[2 * t + 1];
    const float narrow[12] = {rounded(up, [&] { return a + b; }),
                              rounded(down, [&] { return a + b; }),
                              rounded(zero, [&] { return a + b; }),
                              rounded(up, [&] { return a * b; }),
                              rounded(zero, [&] { return a * b; }),
                              rounded(up, [&] { return a / b; }),
                              rounded(down, [&] { return a / b; }),
                              rounded(zero, [&] { return a / b; }),
                              rounded(up, [&] { return std::sqrt(std::fabs(a)); }),
                              rounded(down, [&] { return 1.0f / b; }),
                              rounded(up, [&] { return std::fma(a, b, a); }),
                              rounded(zero, [&] { return std::fma(a, b, b); })};
    for (std::size_t k = 0; k < 12; ++k) ASSERT_EQ(single[t * 12 + k], narrow[k]) << k << ": " << a << " " << b;
  }
}

TEST_F(Numbers, EveryPatternOfSixteenBits) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  float* half = poisoned<float>(65536);
  float* bf16 = poisoned<float>(65536);
  go("half_patterns", Arguments().add(half).add(bf16), 256, 256);
  for (std::uint32_t v = 0; v < 65536; ++v) {
    const int exponent = static_cast<int>(v >> 10 & 31), mantissa = static_cast<int>(v & 0x3FF);
    float expected = exponent == 31  ? (mantissa != 0 ? NAN : INFINITY)
                     : exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                     : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    expected = (v & 0x8000) != 0 ? -expected : expected;
    const auto wide = std::bit_cast<float>(v << 16);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(half[v])) << v;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(half[v]), std::bit_cast<std::uint32_t>(expected)) << v;
    }
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(bf16[v])) << v;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(bf16[v]), std::bit_cast<std::uint32_t>(wide)) << v;
    }
  }
}

double half_value(unsigned v) {
  const int exponent = static_cast<int>(v >> 10 & 31), mantissa = static_cast<int>(v & 0x3FF);
  const double magnitude = exponent == 31  ? (mantissa != 0 ? NAN : INFINITY)
                           : exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(mantissa + 1024, exponent - 25);
  return (v & 0x8000) != 0 ? -magnitude : magnitude;
}
double bf16_value(unsigned v) {
  return static_cast<double>(std::bit_cast<float>(v << 16));
}

/// The value of a 16-bit format that lies next below x, by bisection over the positive ones, and its neighbour above.
template <class F>
double rounded_to(F value, double x, int direction) {
  const double size = std::fabs(x);
  unsigned low = 0, high = 0x7FFF;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (value(middle) <= size ? low : high) = middle;
  }
  if (value(low) == size) return x;
  const double below = value(low), above = value(low + 1);
  const bool up = direction == 0 ? size - below > above - size || (size - below == above - size && (low & 1) != 0)
                                 : (direction == 2) != (x < 0) && direction != 1;
  return std::copysign(up ? above : below, x);
}

// Directions: 0 to nearest, 1 to zero, 2 up, 3 down.
TEST_F(Numbers, ConversionsToSixteenBits) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  auto in = reals<float>(256, -2, 2);
  for (float& v : in) v = std::ldexp(v, static_cast<int>(random_() % 36) - 22);
  const auto wide = reals<double>(256, -1000, 1000);
  std::uint16_t* out = poisoned<std::uint16_t>(10 * 256);
  int* whole = poisoned<int>(8 * 256);
  go("half_conversions", Arguments().add(buffer(in)).add(buffer(wide)).add(out).add(whole), 4, 64);
  for (std::size_t i = 0; i < 256; ++i) {
    const auto x = static_cast<double>(in[i]);
    for (std::size_t k = 0; k < 4; ++k) {
      const int direction = static_cast<int>(k);
      ASSERT_EQ(half_value(out[10 * i + k]), rounded_to(half_value, x, direction)) << k << ": " << x;
      ASSERT_EQ(bf16_value(out[10 * i + 4 + k]), rounded_to(bf16_value, x, direction)) << k << ": " << x;
    }
    ASSERT_EQ(half_value(out[10 * i + 8]), rounded_to(half_value, wide[i], 0)) << wide[i];
    ASSERT_EQ(bf16_value(out[10 * i + 9]), rounded_to(bf16_value, wide[i], 0)) << wide[i];
    const double h = rounded_to(half_value, x, 0);
    ASSERT_EQ(whole[8 * i], static_cast<int>(std::nearbyint(h))) << h;
    ASSERT_EQ(whole[8 * i + 1], static_cast<int>(std::floor(h))) << h;
    ASSERT_EQ(whole[8 * i + 4], static_cast<int>(std::ceil(h))) << h;
  }
}

TEST_F(Numbers, ArithmeticInSixteenBits) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  std::vector<std::uint16_t> in(3 * 256);
  for (auto& v : in) v = static_cast<std::uint16_t>((random_() & 0x83FF) | (12 + random_() % 6) << 10);
  float* out = poisoned<float>(24 * 256);
  go("half_arithmetic", Arguments().add(buffer(in)).add(out), 4, 64);
  for (std::size_t i = 0; i < 256; ++i) {
    const double a = half_value(in[3 * i]), b = half_value(in[3 * i + 1]), c = half_value(in[3 * i + 2]);
    const auto to_half = [](double v) { return static_cast<float>(rounded_to(half_value, v, 0)); };
    const float expected[8] = {to_half(a + b),
                               to_half(a - b),
                               to_half(a * b),
                               to_half(std::fma(a, b, c)),
                               static_cast<float>(-a),
                               static_cast<float>(std::fabs(b)),
                               static_cast<float>(std::max(a, b)),
                               static_cast<float>(std::min(b, c))};
    for (std::size_t k = 0; k < 8; ++k)
      ASSERT_EQ(out[24 * i + k], expected[k]) << k << ": " << a << " " << b << " " << c;
    ASSERT_EQ(out[24 * i + 14], to_half(std::fma(a, b, a)));
    ASSERT_EQ(out[24 * i + 15], to_half(std::fma(b, c, b)));
    ASSERT_EQ(out[24 * i + 18], a == b ? 1.0f : 0.0f);
    ASSERT_EQ(out[24 * i + 19], b < c ? 1.0f : 0.0f);
    ASSERT_EQ(out[24 * i + 20], (a > b ? 1.0f : 0.0f) + (a == c ? 2.0f : 0.0f));
    ASSERT_EQ(out[24 * i + 22], to_half(std::min(1.0, std::max(0.0, a + b))));
    ASSERT_EQ(out[24 * i + 23], std::max(0.0f, to_half(std::fma(a, b, c))));
  }
}

/// Eight-bit floats by their definition (PTX ISA 5.2.3): all 256 values, and the nearest, ties to even.
double eight_value(unsigned v, bool e5m2) {
  const int bits = e5m2 ? 2 : 3, bias = e5m2 ? 15 : 7;
  const int exponent = static_cast<int>(v >> bits & (e5m2 ? 31 : 15)),
            mantissa = static_cast<int>(v & ((1u << bits) - 1));
  if (e5m2 ? exponent == 31 : (v & 0x7F) == 0x7F)
    return e5m2 && mantissa == 0 ? ((v & 0x80) != 0 ? -INFINITY : INFINITY) : NAN;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - bias - bits)
                                         : std::ldexp(mantissa + (1 << bits), exponent - bias - bits);
  return (v & 0x80) != 0 ? -magnitude : magnitude;
}
unsigned eight_bits(double x, bool e5m2) {
  if (std::isnan(x)) return 0x7F;
  const unsigned sign = std::signbit(x) ? 0x80 : 0, largest = e5m2 ? 0x7B : 0x7E;
  unsigned best = 0;
  x = std::min(std::fabs(x), eight_value(largest, e5m2));
  for (unsigned v = 0; v <= largest; ++v) {
    const double near = std::fabs(eight_value(v, e5m2) - std::fabs(x)),
                 before = std::fabs(eight_value(best, e5m2) - std::fabs(x));
    if (near < before || (near == before && (v & 1) == 0)) best = v;
  }
  return sign | best;
}

class Eights : public Outside, public ::testing::WithParamInterface<const char*> {};

TEST_P(Eights, Conversions) {
  profile_.major = 9;
  LOAD_OUTSIDE(compile("numbers.cu", GetParam()));
  auto in = reals<float>(512, -600, 600);
  for (std::size_t i = 0; i < 300; ++i) in[i] = std::ldexp(in[i], static_cast<int>(random_() % 30) - 22);
  in[1] = INFINITY;
  in[3] = -INFINITY;
  in[5] = 0.0f;
  in[7] = 1e30f;
  std::uint8_t* out = poisoned<std::uint8_t>(6 * 256);
  float* back = poisoned<float>(6 * 256);
  go("eight_bits", Arguments().add(buffer(in)).add(out).add(back), 4, 64);
  for (std::size_t i = 0; i < 256; ++i) {
    const auto x = static_cast<double>(in[2 * i]), y = static_cast<double>(in[2 * i + 1]);
    const std::pair<double, bool> cases[6] = {{x, false}, {x, true}, {x, false}, {y, false}, {x, true}, {y, true}};
    for (std::size_t k = 0; k < 6; ++k) {
      const unsigned expected = eight_bits(cases[k].first, cases[k].second);
      ASSERT_EQ(out[6 * i + k], expected) << k << ": " << cases[k].first;
      ASSERT_EQ(static_cast<double>(back[6 * i + k]), eight_value(expected, cases[k].second))
          << k << ": " << cases[k].first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Eights, ::testing::Values("compute_80", "compute_90"));

TEST_F(Numbers, AtomicsOfHalves) {
  LOAD_OUTSIDE(compile("numbers.cu"));
  auto* h = buffer(zeros<std::uint32_t>(1));
  auto* b = buffer(zeros<std::uint32_t>(1));
  auto* one = buffer(zeros<std::uint16_t>(2));
  go("half_atomics", Arguments().add(h).add(b).add(one), 2, 64);
  EXPECT_EQ(*h, 0x54005800u);  // 64.0 and 128.0 in f16
  EXPECT_EQ(*b, 0x43804300u);  // 256.0 and 128.0 in bf16
  EXPECT_EQ(one[0], 0x5000u);  // 32.0
}

}  // namespace
}  // namespace emulator::test
