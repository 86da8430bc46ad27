// Every conversion of the 16-bit formats and every rounding, against values that are worked out from the formats'
// definitions: neighbours, midpoints and exact arithmetic in long double.
#include <cmath>
#include <functional>
#include <limits>

#include "machine.hpp"

namespace emulator::test {
namespace {

/// A binary format by its definition; values are exact in long double.
struct Format {
  int mantissa, bias;
  std::uint32_t infinity;  ///< bits of +infinity
  std::uint32_t sign;

  [[nodiscard]] long double value(std::uint32_t bits) const {
    const std::uint32_t magnitude = bits & ~sign;
    const int exponent = static_cast<int>(magnitude >> mantissa);
    const auto fraction = static_cast<long double>(magnitude & ((1u << mantissa) - 1));
    long double v = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa)
                                  : std::ldexp(fraction + std::ldexp(1.0L, mantissa), exponent - bias - mantissa);
    if (magnitude == infinity) v = std::numeric_limits<long double>::infinity();
    return (bits & sign) != 0 ? -v : v;
  }
  [[nodiscard]] bool is_nan(std::uint32_t bits) const { return (bits & ~sign) > infinity; }

  /// The rounding of any value: the two neighbours by bisection over the ordered magnitudes, then the rule.
  [[nodiscard]] std::uint32_t round(long double v, char mode) const {
    const bool negative = std::signbit(v);
    const long double magnitude = std::fabs(v);
    const std::uint32_t sign_bit = negative ? sign : 0;
    std::uint32_t low = 0, high = infinity;  // value(low) <= magnitude; value(high) > magnitude, or infinity
    if (std::isinf(v)) return sign_bit | infinity;
    while (high - low > 1) {
      const std::uint32_t middle = low + (high - low) / 2;
      (value(middle) <= magnitude ? low : high) = middle;
    }
    const long double below = value(low);
    if (below == magnitude) return sign_bit | low;
    // Infinity stands where the next number of the format would be.
    const long double step = below - value(low - (low == 0 ? 0 : 1));
    const long double above = high == infinity ? below + step : value(high);
    bool up = false;
    switch (mode) {
      case 'z':
        break;
      case 'm':
        up = negative;
        break;
      case 'p':
        up = !negative;
        break;
      case 'a':
        up = magnitude - below >= above - magnitude;
        break;
      default:
        up = magnitude - below > above - magnitude || (magnitude - below == above - magnitude && low % 2 == 1);
    }
    return sign_bit | (up ? high : low);
  }
};

constexpr Format kHalf{10, 15, 0x7C00, 0x8000};
constexpr Format kBf16{7, 127, 0x7F80, 0x8000};
constexpr Format kSingle{23, 127, 0x7F800000, 0x80000000};

float as_float(std::uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
std::uint32_t as_bits(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

class Conversions : public Machine {
 protected:
  Conversions() : seed_(fresh_seed()), random_(seed_) {}

  /// Every value of the format, every midpoint between neighbours, both of those moved by one ulp of single precision,
  /// random bits, and the ends of the range.
  std::vector<float> hard_cases(const Format& format) {
    std::vector<float> cases;
    for (std::uint32_t bits = 0; bits <= format.infinity; ++bits) {
      const long double here = format.value(bits);
      const long double next = bits + 1 < format.infinity ? format.value(bits + 1) : here * 2;
      for (const long double v : {here, (here + next) / 2}) {
        const auto f = static_cast<float>(v);
        for (const float each : {f, std::nextafter(f, 0.0f), std::nextafter(f, INFINITY)}) {
          cases.push_back(each);
          cases.push_back(-each);
        }
      }
    }
    for (int i = 0; i < 20000; ++i) cases.push_back(as_float(static_cast<std::uint32_t>(random_())));
    return cases;
  }

  void narrow(const std::string& text, const Format& format, char mode) {
    SCOPED_TRACE(text + ", OSDN_TEST_SEED=" + std::to_string(seed_));
    const std::vector<float> a = hard_cases(format);
    const auto d = each<std::uint16_t>(text, a);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (std::isnan(a[i])) {
        ASSERT_EQ(d[i], 0x7FFF) << "a NaN becomes the canonical one";
      } else {
        ASSERT_EQ(d[i], format.round(a[i], mode)) << std::hexfloat << a[i];
      }
    }
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Conversions, HalvesToSingleAreExact) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const auto f16 = each<float>("cvt.f32.f16 d, a;", all);
  const auto bf16 = each<float>("cvt.f32.bf16 d, a;", all);
  const auto wide = each<double>("cvt.f64.f16 d, a;", all);
  for (std::uint32_t i = 0; i < 65536; ++i) {
    if (kHalf.is_nan(i)) {
      ASSERT_TRUE(std::isnan(f16[i]) && std::isnan(wide[i])) << i;
    } else {
      ASSERT_EQ(as_bits(f16[i]), as_bits(static_cast<float>(kHalf.value(i)))) << i;
      ASSERT_EQ(wide[i], static_cast<double>(kHalf.value(i))) << i;
    }
    if (kBf16.is_nan(i)) {
      ASSERT_TRUE(std::isnan(bf16[i])) << i;
    } else {
      ASSERT_EQ(as_bits(bf16[i]), i << 16) << i;
    }
  }
}

TEST_F(Conversions, SingleToHalf) {
  narrow("cvt.rn.f16.f32 d, a;", kHalf, 'n');
  narrow("cvt.rz.f16.f32 d, a;", kHalf, 'z');
}
TEST_F(Conversions, SingleToBf16) {
  narrow("cvt.rn.bf16.f32 d, a;", kBf16, 'n');
  narrow("cvt.rz.bf16.f32 d, a;", kBf16, 'z');
}

TEST_F(Conversions, SingleToPairs) {
  const std::vector<float> a = hard_cases(kBf16);
  std::vector<float> b = a;
  std::shuffle(b.begin(), b.end(), random_);
  for (const bool half : {false, true}) {
    const Format& format = half ? kHalf : kBf16;
    const auto d = each<std::uint32_t>(half ? "cvt.rn.f16x2.f32 d, a, b;" : "cvt.rn.bf16x2.f32 d, a, b;", a, b);
    const auto relu =
        each<std::uint32_t>(half ? "cvt.rn.relu.f16x2.f32 d, a, b;" : "cvt.rn.relu.bf16x2.f32 d, a, b;", a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto wanted = [&](float v) { return std::isnan(v) ? 0x7FFFu : format.round(v, 'n'); };
      ASSERT_EQ(d[i] >> 16, wanted(a[i])) << "the first source is the upper half";
      ASSERT_EQ(d[i] & 0xFFFF, wanted(b[i])) << "the second source is the lower half";
      const auto positive = [&](float v) { return v <= 0 ? 0u : wanted(v); };
      ASSERT_EQ(relu[i], positive(a[i]) << 16 | positive(b[i])) << a[i] << ", " << b[i];
    }
  }
}

TEST_F(Conversions, SingleToTf32) {
  std::vector<float> cases;
  for (std::uint32_t base : {0x3F800000u, 0x00000000u, 0x00800000u, 0x7F7FE000u, 0x40490000u}) {
    for (std::uint32_t i = 0; i < 0x8000; ++i) cases.push_back(as_float(base + i));
  }
  for (int i = 0; i < 20000; ++i) cases.push_back(as_float(static_cast<std::uint32_t>(random_())));
  const auto away = each<std::uint32_t>("cvt.rna.tf32.f32 d, a;", cases);
  const auto even = each<std::uint32_t>("cvt.rn.tf32.f32 d, a;", cases);
  const Format tf32{10, 127, 0x7F800000u >> 13, 0x80000000u >> 13};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (std::isnan(cases[i])) {
      ASSERT_TRUE(std::isnan(as_float(away[i])) && std::isnan(as_float(even[i])));
    } else {
      ASSERT_EQ(away[i], tf32.round(cases[i], 'a') << 13) << std::hexfloat << cases[i];
      ASSERT_EQ(even[i], tf32.round(cases[i], 'n') << 13) << std::hexfloat << cases[i];
    }
  }
}

TEST_F(Conversions, DoubleToSingle) {
  std::vector<double> cases;
  for (int i = 0; i < 30000; ++i) {
    const float f = as_float(static_cast<std::uint32_t>(random_()));
    if (!std::isfinite(f)) continue;
    const double here = f, next = std::nextafter(f, INFINITY), middle = here + (next - here) / 2;
    if (!std::isfinite(next)) continue;
    for (const double v : {here, middle, std::nextafter(middle, here), std::nextafter(middle, next)})
      cases.push_back(v);
  }
  for (const double v : {0.0, -0.0, 1e300, -1e300, 1e-300, -1e-300, 0x1p-150, 0x1.8p-150, 0x1p-149, 0x1.ffffffp127,
                         0x1.fffffefp127, -0x1.ffffffp127}) {
    cases.push_back(v);
  }
  for (const auto& [text, mode] : {std::pair("cvt.rn.f32.f64 d, a;", 'n'), std::pair("cvt.rz.f32.f64 d, a;", 'z'),
                                   std::pair("cvt.rm.f32.f64 d, a;", 'm'), std::pair("cvt.rp.f32.f64 d, a;", 'p')}) {
    SCOPED_TRACE(text);
    const auto d = each<std::uint32_t>(text, cases);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      ASSERT_EQ(d[i], kSingle.round(cases[i], mode)) << std::hexfloat << cases[i] << ", OSDN_TEST_SEED=" << seed_;
    }
  }
}

TEST_F(Conversions, IntegersToSingle) {
  std::vector<std::uint32_t> words;
  std::vector<std::uint64_t> longs;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t v = random_() >> random_() % 64;
    longs.push_back(v);
    words.push_back(static_cast<std::uint32_t>(v));
    const std::uint64_t tie = (std::uint64_t{1} << 24 | (random_() & 0xFFFFFF)) * 2 + 1;  // between two floats
    words.push_back(static_cast<std::uint32_t>(tie));
    longs.push_back(tie << random_() % 38);
  }
  for (const auto& [round, mode] :
       {std::pair("rn", 'n'), std::pair("rz", 'z'), std::pair("rm", 'm'), std::pair("rp", 'p')}) {
    SCOPED_TRACE(round);
    const auto check = [&, m = mode](const auto& d, const auto& a, auto as) {
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(d[i], kSingle.round(static_cast<long double>(static_cast<decltype(as)>(a[i])), m)) << a[i];
      }
    };
    const std::string prefix = std::string("cvt.") + round + ".f32.";
    check(each<std::uint32_t>(prefix + "u32 d, a;", words), words, std::uint32_t{});
    check(each<std::uint32_t>(prefix + "s32 d, a;", words), words, std::int32_t{});
    check(each<std::uint32_t>(prefix + "u64 d, a;", longs), longs, std::uint64_t{});
    check(each<std::uint32_t>(prefix + "s64 d, a;", longs), longs, std::int64_t{});
  }
}

template <class T>
T clamp_whole(long double v) {
  if (v <= static_cast<long double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (v >= static_cast<long double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(v);
}

TEST_F(Conversions, SingleToIntegersRoundAndClamp) {
  std::vector<float> cases;
  for (int i = 0; i < 30000; ++i) {
    cases.push_back(as_float(static_cast<std::uint32_t>(random_())));
    cases.push_back(static_cast<float>(static_cast<std::int32_t>(random_() % 4096) - 2048) / 4);  // quarters and ties
    cases.push_back(
        std::ldexp(static_cast<float>(random_() % 16777216) - 8388608.0f, static_cast<int>(random_() % 44)));
  }
  const auto whole = [](float v, char mode) -> long double {
    const long double down = std::floor(static_cast<long double>(v));
    const long double rest = v - down;
    switch (mode) {
      case 'z':
        return std::trunc(static_cast<long double>(v));
      case 'm':
        return down;
      case 'p':
        return rest > 0 ? down + 1 : down;
      default:
        return rest > 0.5L || (rest == 0.5L && std::fmod(down, 2.0L) != 0) ? down + 1 : down;
    }
  };
  for (const auto& [round, mode] :
       {std::pair("rni", 'n'), std::pair("rzi", 'z'), std::pair("rmi", 'm'), std::pair("rpi", 'p')}) {
    SCOPED_TRACE(round);
    const auto check = [&, m = mode](const auto& d, auto as) {
      using T = decltype(as);
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const T wanted = std::isnan(cases[i]) ? (sizeof(T) == 8 ? static_cast<T>(std::uint64_t{1} << 63) : T{0})
                                              : clamp_whole<T>(whole(cases[i], m));
        ASSERT_EQ(static_cast<T>(d[i]), wanted) << std::hexfloat << cases[i];
      }
    };
    const std::string prefix = std::string("cvt.") + round + ".";
    check(each<std::int32_t>(prefix + "s32.f32 d, a;", cases), std::int32_t{});
    check(each<std::uint32_t>(prefix + "u32.f32 d, a;", cases), std::uint32_t{});
    check(each<std::int64_t>(prefix + "s64.f32 d, a;", cases), std::int64_t{});
    check(each<std::uint64_t>(prefix + "u64.f32 d, a;", cases), std::uint64_t{});
    check(each<std::int16_t>(prefix + "s16.f32 d, a;", cases), std::int16_t{});
    check(each<std::int32_t>(prefix + "s8.f32 d, a;", cases), std::int8_t{});
    const auto same = each<float>(prefix + "f32.f32 d, a;", cases);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      if (!std::isfinite(cases[i])) continue;
      ASSERT_EQ(same[i], static_cast<float>(whole(cases[i], mode))) << cases[i];
    }
  }
}

TEST_F(Conversions, IntegersChangeWidth) {
  std::vector<std::uint64_t> a(5000);
  for (auto& v : a) v = random_() % 3 == 0 ? random_() % 512 - 256 : random_();
  const auto check = [&](const std::string& text, const std::function<std::uint64_t(std::uint64_t)>& wanted) {
    SCOPED_TRACE(text + ", OSDN_TEST_SEED=" + std::to_string(seed_));
    const auto d = each<std::uint64_t>(text, a);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(d[i], wanted(a[i])) << a[i];
  };
  using U = std::uint64_t;
  check("cvt.s64.s8 d, a;", [](U v) { return static_cast<U>(std::int64_t{static_cast<std::int8_t>(v)}); });
  check("cvt.u64.u8 d, a;", [](U v) { return v & 0xFF; });
  check("cvt.s64.s32 d, a;", [](U v) { return static_cast<U>(std::int64_t{static_cast<std::int32_t>(v)}); });
  check("cvt.u64.u16 d, a;", [](U v) { return v & 0xFFFF; });
  check("{.reg .b32 t;\ncvt.u32.u64 t, a;\ncvt.u64.u32 d, t;}", [](U v) { return v & 0xFFFFFFFF; });
  check("{.reg .b16 t;\ncvt.u16.u64 t, a;\ncvt.s64.s16 d, t;}",
        [](U v) { return static_cast<U>(std::int64_t{static_cast<std::int16_t>(v)}); });
  check("{.reg .b32 t;\ncvt.s8.s64 t, a;\ncvt.s64.s32 d, t;}",
        [](U v) { return static_cast<U>(std::int64_t{static_cast<std::int8_t>(v)}); });
  check("{.reg .b32 t;\ncvt.sat.s8.s64 t, a;\ncvt.s64.s32 d, t;}",
        [](U v) { return static_cast<U>(std::clamp<std::int64_t>(static_cast<std::int64_t>(v), -128, 127)); });
  check("{.reg .b32 t;\ncvt.sat.u8.s64 t, a;\ncvt.s64.s32 d, t;}",
        [](U v) { return static_cast<U>(std::clamp<std::int64_t>(static_cast<std::int64_t>(v), 0, 255)); });
  check("cvt.sat.s32.u64 d, a;", [](U v) { return std::min<U>(v, 0x7FFFFFFF); });
}

TEST_F(Conversions, SaturateAndFlush) {
  std::vector<float> a = {0.5f, 1.5f, -0.5f, -0.0f, NAN, INFINITY, -INFINITY, 0x1p-140f, -0x1p-140f, 0x1p-126f, 1.0f};
  const auto sat = each<float>("cvt.sat.f32.f32 d, a;", a);
  const std::vector<float> saturated = {0.5f, 1, 0, 0, 0, 1, 0, 0x1p-140f, 0, 0x1p-126f, 1};
  const auto ftz = each<float>("cvt.ftz.f32.f32 d, a;", a);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(sat[i], saturated[i]) << a[i];
    if (std::isnan(a[i])) continue;
    EXPECT_EQ(as_bits(ftz[i]), std::fabs(a[i]) < 0x1p-126f ? (std::signbit(a[i]) ? 0x80000000u : 0) : as_bits(a[i]));
  }
}

}  // namespace
}  // namespace emulator::test
