// Approximate functions against the errors and the special values that the PTX ISA manual (9.1) states for each, plain
// and perturbed. The exact values are the host's, in double or long double.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "machine.hpp"

namespace emulator::test {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class To, class From>
To as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/// Distance of neighbours at `v`, in a format with so many explicit bits and this smallest exponent.
double ulp(double v, int mantissa = 23, int smallest = -126) {
  return std::ldexp(1.0, std::max(v == 0 ? smallest : std::ilogb(v), smallest) - mantissa);
}

float flushed(float v) {
  return std::fabs(v) < 0x1p-126f ? std::copysign(0.0f, v) : v;
}

/// What the manual says of one function.
struct Function {
  std::string name;  ///< "ex2.approx"
  bool ftz;          ///< takes .ftz
  std::function<double(double)> exact;
  std::function<double(double, double)> error;  ///< largest |result - exact|, of the input and the exact value
  double low, high;                             ///< of the inputs for which there is a bound
};

const std::vector<Function>& functions() {
  const auto relative = [](double e) { return [e](double, double y) { return e * std::fabs(y); }; };
  const auto circular = [](double x, double) { return std::exp2(std::fabs(x) <= 2 * kPi ? -20.5 : -14.7); };
  constexpr double most = std::numeric_limits<float>::max();
  static const std::vector<Function> all{
      // 9.7.3.21: 2 ulp from the correctly rounded result, which itself is off by half a unit.
      {"ex2.approx", true, [](double x) { return std::exp2(x); },
       [](double, double y) { return 2.5 * ulp(static_cast<double>(static_cast<float>(y))); }, -200, 127.99},
      // 9.7.3.20
      {"lg2.approx", true, [](double x) { return std::log2(x); },
       [](double x, double y) { return 0x1p-22 * (x > 0.5 && x < 2 ? 1 : std::fabs(y)); }, 0, most},
      // 9.7.3.18, 9.7.3.19
      {"sin.approx", true, [](double x) { return std::sin(x); }, circular, -100 * kPi, 100 * kPi},
      {"cos.approx", true, [](double x) { return std::cos(x); }, circular, -100 * kPi, 100 * kPi},
      // 9.7.3.22
      {"tanh.approx", false, [](double x) { return std::tanh(x); }, relative(0x1p-11), -most, most},
      // 9.7.3.13
      {"rcp.approx", true, [](double x) { return 1 / x; }, [](double, double y) { return ulp(y); }, -most, most},
      // 9.7.3.15
      {"sqrt.approx", true, [](double x) { return std::sqrt(x); }, relative(0x1p-23), 0, most},
      // 9.7.3.16
      {"rsqrt.approx", true, [](double x) { return 1 / std::sqrt(x); }, relative(std::exp2(-22.9)), 0, most},
  };
  return all;
}

/// How perturbed results lie: the largest |error| in parts of what is granted, and how many differ from the plain ones.
struct Spread {
  double worst = 0;
  double low = 0, high = 0;  ///< signed
};

class Approximate : public Machine {
 protected:
  Approximate() : seed_(fresh_seed()), random_(seed_) {}

  /// Every exponent, and many values between `low` and `high`.
  std::vector<float> inputs(double low, double high) {
    std::vector<float> result;
    const auto add = [&](float v) {
      if (static_cast<double>(v) >= low && static_cast<double>(v) <= high && v != 0) result.push_back(v);
    };
    for (std::uint32_t exponent = 0; exponent < 255; ++exponent) {
      for (int i = 0; i < 40; ++i) {
        const auto bits = exponent << 23 | static_cast<std::uint32_t>(random_() & 0x7FFFFF);
        add(as<float>(bits));
        add(as<float>(bits | 0x80000000u));
      }
      add(as<float>(exponent << 23 | 1));
      add(as<float>(exponent << 23));
      add(as<float>(exponent << 23 | 0x7FFFFF));
    }
    std::uniform_real_distribution<double> even(std::max(low, -700.0), std::min(high, 700.0)), near(0.4, 2.1);
    for (int i = 0; i < 20000; ++i) {
      add(static_cast<float>(even(random_)));
      add(static_cast<float>(near(random_)));
    }
    return result;
  }

  /// Checks one run of a function and returns how far it strayed.
  Spread check(const Function& f, const std::vector<float>& x, bool ftz) {
    const std::string text = f.name + (ftz ? ".ftz" : "") + ".f32 d, a;";
    const auto d = each<float>(text, x);
    Spread spread;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float in = ftz ? flushed(x[i]) : x[i];
      if (in == 0) continue;  // a special value
      const double y = f.exact(static_cast<double>(in));
      const auto rounded = static_cast<float>(y);
      if (std::isinf(rounded)) {
        EXPECT_EQ(d[i], rounded) << text << " " << std::hexfloat << in;
        continue;
      }
      const double granted = f.error(static_cast<double>(in), y);
      const double error = static_cast<double>(d[i]) - y;
      // Flushing may take a result to zero, and where the format has nothing else within the bound, rounding decides.
      const bool flushes = ftz && d[i] == 0 && std::fabs(y) <= 0x1p-126 + granted;
      if (flushes || d[i] == rounded) continue;
      EXPECT_LE(std::fabs(error), granted * 1.000001) << text << " " << std::hexfloat << in << " gives " << d[i];
      spread.worst = std::max(spread.worst, std::fabs(error) / granted);
      spread.low = std::min(spread.low, error / granted);
      spread.high = std::max(spread.high, error / granted);
    }
    return spread;
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Approximate, PlainResultsAreWithinTheManualsErrors) {
  for (const Function& f : functions()) {
    SCOPED_TRACE(f.name + ", OSDN_TEST_SEED=" + std::to_string(seed_));
    const auto x = inputs(f.low, f.high);
    check(f, x, false);
    if (f.ftz) check(f, x, true);
  }
}

TEST_F(Approximate, PerturbedResultsFillTheManualsErrorsAndStayWithin) {
  for (const Function& f : functions()) {
    const auto x = inputs(f.low, f.high);
    const auto plain = each<float>(f.name + ".f32 d, a;", x);
    for (const std::uint64_t perturbation : {1ull, 77ull, 0x123456789ABCDEFull}) {
      SCOPED_TRACE(f.name + ", OSDN_TEST_SEED=" + std::to_string(seed_));
      perturbation_ = perturbation;
      const Spread spread = check(f, x, false);
      if (f.ftz) check(f, x, true);
      EXPECT_LT(spread.low, -0.7);
      EXPECT_GT(spread.high, 0.7);
      const auto once = each<float>(f.name + ".f32 d, a;", x);
      EXPECT_EQ(std::memcmp(once.data(), each<float>(f.name + ".f32 d, a;", x).data(), 4 * x.size()), 0)
          << "one seed, two answers";
      std::size_t same = 0;
      for (std::size_t i = 0; i < x.size(); ++i) same += once[i] == plain[i];
      EXPECT_LT(same, x.size() * 3 / 4);
      perturbation_ = 0;
    }
  }
}

TEST_F(Approximate, SpecialValuesAreExactHoweverPerturbed) {
  const std::vector<float> x{-kInf, -0.0f, 0.0f, kInf, kNan, -2.0f, -0x1p-130f, 0x1p-130f};
  struct Case {
    const char* text;
    std::vector<float> wanted;  ///< of the first values of x; the rest has no fixed answer
  };
  const std::vector<Case> cases{
      {"ex2.approx.f32", {0.0f, 1.0f, 1.0f, kInf, kNan}},
      {"ex2.approx.ftz.f32", {0.0f, 1.0f, 1.0f, kInf, kNan}},
      {"lg2.approx.f32", {kNan, -kInf, -kInf, kInf, kNan, kNan}},
      {"lg2.approx.ftz.f32", {kNan, -kInf, -kInf, kInf, kNan, kNan, -kInf, -kInf}},
      {"sin.approx.f32", {kNan, -0.0f, 0.0f, kNan, kNan}},
      {"cos.approx.f32", {kNan, 1.0f, 1.0f, kNan, kNan}},
      {"tanh.approx.f32", {-1.0f, -0.0f, 0.0f, 1.0f, kNan}},
      {"rcp.approx.f32", {-0.0f, -kInf, kInf, 0.0f, kNan}},
      {"rcp.approx.ftz.f32", {-0.0f, -kInf, kInf, 0.0f, kNan}},
      {"sqrt.approx.f32", {kNan, -0.0f, 0.0f, kInf, kNan, kNan}},
      {"sqrt.approx.ftz.f32", {kNan, -0.0f, 0.0f, kInf, kNan, kNan, -0.0f, 0.0f}},
      {"rsqrt.approx.f32", {kNan, -kInf, kInf, 0.0f, kNan, kNan}},
      {"rsqrt.approx.ftz.f32", {kNan, -kInf, kInf, 0.0f, kNan, kNan, -kInf, kInf}},
  };
  for (const std::uint64_t perturbation : {0ull, 1ull, 2ull, 3ull}) {
    perturbation_ = perturbation;
    for (const Case& c : cases) {
      const auto d = each<float>(std::string(c.text) + " d, a;", x);
      for (std::size_t i = 0; i < c.wanted.size(); ++i) {
        const auto wanted = std::isnan(c.wanted[i]) ? 0x7FFFFFFFu : as<std::uint32_t>(c.wanted[i]);
        EXPECT_EQ(as<std::uint32_t>(d[i]), wanted) << c.text << " of " << x[i] << " with " << perturbation;
      }
    }
    // tanh hands subnormals through.
    EXPECT_EQ(each<float>("tanh.approx.f32 d, a;", x)[7], 0x1p-130f);
  }
}

TEST_F(Approximate, Division) {
  const auto a = inputs(-3.4e38, 3.4e38);
  auto b = a;
  std::shuffle(b.begin(), b.end(), random_);
  for (const std::uint64_t perturbation : {0ull, 5ull}) {
    perturbation_ = perturbation;
    for (const char* how : {"approx", "full"}) {
      SCOPED_TRACE(std::string(how) + ", OSDN_TEST_SEED=" + std::to_string(seed_));
      const auto d = each<float>(std::string("div.") + how + ".f32 d, a, b;", a, b);
      double worst = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const double y = static_cast<double>(a[i]) / static_cast<double>(b[i]);
        if (how[0] == 'a' && std::fabs(b[i]) > 0x1p126f) {
          ASSERT_EQ(as<std::uint32_t>(d[i]), as<std::uint32_t>(std::copysign(0.0f, static_cast<float>(y))));
        } else if (std::fabs(y) < 0x1.fffffp127) {
          worst = std::max(worst, std::fabs(static_cast<double>(d[i]) - y) / ulp(y));
        } else if (std::isinf(static_cast<float>(y))) {
          ASSERT_EQ(d[i], static_cast<float>(y)) << a[i] << " / " << b[i];
        }
      }
      EXPECT_LE(worst, 2) << "9.7.3.8: 2 ulp";
      EXPECT_GE(worst, perturbation == 0 ? 0.4 : 1.8);
    }
    // 9.7.3.8: an infinite dividend over a divisor beyond 2^126, and what IEEE says of the rest.
    const std::vector<float> top{kInf, -kInf, 1.0f, 0.0f, kNan, 1.0f, -1.0f, kInf};
    const std::vector<float> under{0x1p127f, 0x1p127f, kInf, 0.0f, 1.0f, 0.0f, 0x1.8p126f, kInf};
    const auto d = each<float>("div.approx.f32 d, a, b;", top, under);
    for (const std::size_t nan : {0, 1, 3, 4, 7}) EXPECT_TRUE(std::isnan(d[nan])) << nan;
    EXPECT_EQ(d[2], 0.0f);
    EXPECT_EQ(d[5], kInf);
    EXPECT_EQ(as<std::uint32_t>(d[6]), 0x80000000u);
    const auto full = each<float>("div.full.f32 d, a, b;", top, under);
    EXPECT_EQ(full[0], kInf);
    EXPECT_EQ(full[1], -kInf);
    EXPECT_NEAR(full[6], -0x1p-126f / 1.5f, 2 * 0x1p-149f);
  }
}

// 9.7.3.14, 9.7.3.17: only upper words, and the tables of special values.
TEST_F(Approximate, GrossDoublePrecision) {
  std::vector<double> x;
  std::uniform_real_distribution<double> exponent(-1000, 1000);
  for (int i = 0; i < 5000; ++i) x.push_back(std::exp2(exponent(random_)));
  for (const std::uint64_t perturbation : {0ull, 9ull}) {
    perturbation_ = perturbation;
    const auto rcp = each<double>("rcp.approx.ftz.f64 d, a;", x), rsqrt = each<double>("rsqrt.approx.ftz.f64 d, a;", x);
    const auto fine = each<double>("rsqrt.approx.f64 d, a;", x);
    double worst = 0, fine_worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double upper = as<double>(as<std::uint64_t>(x[i]) & 0xFFFFFFFF00000000u);
      ASSERT_EQ(as<std::uint64_t>(rcp[i]) & 0xFFFFFFFFu, 0u);
      ASSERT_EQ(as<std::uint64_t>(rsqrt[i]) & 0xFFFFFFFFu, 0u);
      worst = std::max(worst, std::fabs(rcp[i] * upper - 1));
      worst = std::max(worst, std::fabs(rsqrt[i] * std::sqrt(upper) - 1));
      const long double exact = 1 / std::sqrt(static_cast<long double>(x[i]));
      fine_worst = std::max(fine_worst, static_cast<double>(std::fabs(static_cast<long double>(fine[i]) / exact - 1)));
    }
    EXPECT_LE(worst, perturbation == 0 ? 0x1p-21 : 0x1p-20);
    EXPECT_GT(worst, perturbation == 0 ? 0x1p-22 : 0x1.8p-21);
    EXPECT_LE(fine_worst, 0x1p-51);
    constexpr double inf = std::numeric_limits<double>::infinity();
    const std::vector<double> special{-inf, -0x1p-1030, -0.0, 0.0, 0x1p-1030, inf, std::nan("1")};
    const auto r = each<double>("rcp.approx.ftz.f64 d, a;", special);
    const auto s = each<double>("rsqrt.approx.ftz.f64 d, a;", special);
    const double reciprocals[] = {-0.0, -inf, -inf, inf, inf, 0.0}, roots[] = {0, -inf, -inf, inf, inf, 0.0};
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(as<std::uint64_t>(r[i]), as<std::uint64_t>(reciprocals[i])) << special[i];
      if (i > 0) {
        EXPECT_EQ(as<std::uint64_t>(s[i]), as<std::uint64_t>(roots[i])) << special[i];
      }
    }
    EXPECT_EQ(as<std::uint64_t>(r[6]), 0x7FFFFFFF00000000u);
    EXPECT_EQ(as<std::uint64_t>(s[6]), 0x7FFFFFFF00000000u);
    EXPECT_TRUE(std::isnan(s[0]));
  }
}

/// A 16-bit format's value.
double wide(std::uint16_t v, bool bf) {
  if (bf) return static_cast<double>(as<float>(static_cast<std::uint32_t>(v) << 16));
  const int exponent = v >> 10 & 31, fraction = v & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                           : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                            : std::ldexp(1024 + fraction, exponent - 25);
  return (v & 0x8000) != 0 ? -magnitude : magnitude;
}

// 9.7.4.9, 9.7.4.10, over every one of the 65,536 operands.
TEST_F(Approximate, HalfPrecision) {
  std::vector<std::uint16_t> x(65536);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint16_t>(i);
  struct Case {
    const char* text;
    bool bf, tanh;
    double error;  ///< absolute for tanh, relative for ex2
  };
  for (const Case& c :
       {Case{"ex2.approx.f16", false, false, std::exp2(-9.9)}, Case{"ex2.approx.ftz.bf16", true, false, 0x1p-7},
        Case{"tanh.approx.f16", false, true, std::exp2(-10.987)}, Case{"tanh.approx.bf16", true, true, 0x1p-8}}) {
    for (const std::uint64_t perturbation : {0ull, 3ull, 4ull}) {
      SCOPED_TRACE(std::string(c.text) + " with " + std::to_string(perturbation));
      perturbation_ = perturbation;
      const auto d = each<std::uint16_t>(std::string(c.text) + " d, a;", x);
      const double smallest = c.bf ? 0x1p-126 : 0x1p-14, half_step = c.bf ? 0x1p-134 : 0x1p-25;
      double worst = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        double in = wide(x[i], c.bf);
        const double got = wide(d[i], c.bf);
        if (std::isnan(in)) {
          ASSERT_TRUE(std::isnan(got));
          continue;
        }
        if (c.bf && !c.tanh && std::fabs(in) < smallest) in = 0;
        const double y = c.tanh ? std::tanh(in) : std::exp2(in);
        if (in == 0 || std::isinf(in)) {
          ASSERT_EQ(got, y) << in;
          continue;
        }
        const double largest = c.bf ? 0x1.fep127 : 65504;
        if (y > largest) {
          ASSERT_TRUE(std::isinf(got) || got == largest) << in;
          continue;
        }
        const double granted = c.tanh ? c.error : c.error * y;
        if (c.bf && !c.tanh && y < smallest * 1.01 && got == 0) continue;  // flushed
        ASSERT_LE(std::fabs(got - y), std::max(granted, half_step)) << in;
        if (y > smallest || c.tanh) worst = std::max(worst, std::fabs(got - y) / granted);
      }
      if (perturbation != 0) {
        EXPECT_GT(worst, 0.85);
      }
    }
  }
}

}  // namespace
}  // namespace emulator::test
