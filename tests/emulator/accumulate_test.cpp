// mma when a launch perturbs: any order of additions, alignment and truncation as tensor cores have been measured to do
// them, but never less than the single precision that the PTX ISA manual promises (9.7.14.5.14). Expected values are
// exact sums of exact products.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "machine.hpp"

namespace emulator::test {
namespace {

constexpr int kRows = 16, kColumns = 8, kDepth = 16;
constexpr float kInf = std::numeric_limits<float>::infinity();

std::uint32_t bits_of(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

struct Operands {
  std::array<float, kRows * kDepth> a{};  ///< bf16 numbers
  std::array<float, kDepth * kColumns> b{};
  std::array<float, kRows * kColumns> c{};
};

class Accumulate : public Machine {
 protected:
  Accumulate() : seed_(fresh_seed()), random_(seed_) {}

  /// d = a b + c by one mma.m16n8k16 of bf16, fragments laid out as in 9.7.14.5.8: g = lane / 4, t = lane % 4.
  std::vector<float> multiply(const Operands& of) {
    std::vector<std::uint32_t> words;
    const auto pair = [](float low, float high) { return bits_of(low) >> 16 | (bits_of(high) & 0xFFFF0000u); };
    for (int r = 0; r < 10; ++r) {
      for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, t = lane % 4;
        const auto at = [](int row, int column, int columns) {
          return static_cast<std::size_t>(row * columns + column);
        };
        if (r < 4) {
          const int row = g + r % 2 * 8, column = t * 2 + r / 2 * 8;
          words.push_back(pair(of.a[at(row, column, kDepth)], of.a[at(row, column + 1, kDepth)]));
        } else if (r < 6) {
          const int row = t * 2 + (r - 4) * 8;
          words.push_back(pair(of.b[at(row, g, kColumns)], of.b[at(row + 1, g, kColumns)]));
        } else {
          words.push_back(bits_of(of.c[at(g + (r - 6) / 2 * 8, t * 2 + (r - 6) % 2, kColumns)]));
        }
      }
    }
    std::string text = header() +
                       ".visible .entry product(.param .u64 pd, .param .u64 pw) {\n.reg .b64 w, d;\n.reg .b32 i;\n"
                       ".reg .b32 r<10>;\nld.param.u64 w, [pw];\nld.param.u64 d, [pd];\nmov.u32 i, %tid.x;\n"
                       "mad.wide.u32 w, i, 4, w;\nmad.wide.u32 d, i, 4, d;\n";
    for (int r = 0; r < 10; ++r)
      text += "ld.global.b32 r" + std::to_string(r) + ", [w+" + std::to_string(128 * r) + "];\n";
    text +=
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {r6,r7,r8,r9}, {r0,r1,r2,r3}, {r4,r5}, {r6,r7,r8,r9};\n";
    for (int r = 0; r < 4; ++r)
      text += "st.global.b32 [d+" + std::to_string(128 * r) + "], r" + std::to_string(6 + r) + ";\n";
    text += "ret;\n}\n";
    const std::uint32_t* in = buffer(words);
    const float* out = poisoned<float>(128);
    block_ = {32, 1, 1};
    run(text, "product", Arguments().add(out).add(in));
    std::vector<float> d(128);
    for (int i = 0; i < 128; ++i) {
      const int r = i / 32, lane = i % 32;
      d[static_cast<std::size_t>((lane / 4 + r / 2 * 8) * kColumns + lane % 4 * 2 + r % 2)] = out[i];
    }
    return d;
  }

  /// A random bf16 number.
  float number(bool positive) {
    const auto v = std::ldexp(128 + static_cast<float>(random_() % 128), static_cast<int>(random_() % 6) - 10);
    return positive || random_() % 2 != 0 ? v : -v;
  }
  Operands draw(bool positive) {
    Operands of;
    for (float& v : of.a) v = number(positive);
    for (float& v : of.b) v = number(positive);
    for (float& v : of.c) v = 16 * number(positive) * (1 + 0x1p-20f * static_cast<float>(random_() % 4096));
    return of;
  }

  /// The exact d of row i, column j, and the sum of all magnitudes.
  static std::pair<double, double> exact(const Operands& of, std::size_t i, std::size_t j) {
    long double sum = of.c[i * kColumns + j], magnitude = std::fabs(sum);
    for (std::size_t k = 0; k < kDepth; ++k) {
      const long double p = static_cast<long double>(of.a[i * kDepth + k]) * of.b[k * kColumns + j];
      sum += p;
      magnitude += std::fabs(p);
    }
    return {static_cast<double>(sum), static_cast<double>(magnitude)};
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Accumulate, WholeNumbersAreExactInAnyOrder) {
  Operands of;
  for (float& v : of.a) v = static_cast<float>(random_() % 17) - 8;
  for (float& v : of.b) v = static_cast<float>(random_() % 17) - 8;
  for (float& v : of.c) v = static_cast<float>(random_() % 2001) - 1000;
  for (perturbation_ = 0; perturbation_ < 20; ++perturbation_) {
    const auto d = multiply(of);
    for (std::size_t i = 0; i < d.size(); ++i) ASSERT_EQ(d[i], exact(of, i / kColumns, i % kColumns).first);
  }
}

TEST_F(Accumulate, KeepsSinglePrecisionAndCutsOffTheRest) {
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed_));
  for (const bool positive : {true, false}) {
    const Operands of = draw(positive);
    perturbation_ = 0;
    const auto plain = multiply(of);
    std::set<std::vector<float>> answers;
    for (perturbation_ = 1; perturbation_ < 24; ++perturbation_) {
      const auto d = multiply(of);
      EXPECT_EQ(d, multiply(of)) << "one seed, two answers";
      answers.insert(d);
      double worst = 0;
      for (std::size_t i = 0; i < d.size(); ++i) {
        const auto [sum, magnitude] = exact(of, i / kColumns, i % kColumns);
        // At most 20 addends and 4 sums lose less than a unit of the largest's last place each.
        ASSERT_LE(std::fabs(static_cast<double>(d[i]) - sum), 24 * 0x1p-23 * magnitude);
        ASSERT_TRUE(!positive || static_cast<double>(d[i]) <= sum) << "cut off, not rounded up";
        worst = std::max(worst, std::fabs(static_cast<double>(d[i]) - sum) / magnitude);
      }
      EXPECT_GT(worst, 0x1p-26) << "too good to be a tensor core";
      EXPECT_NE(d, plain);
    }
    EXPECT_GE(answers.size(), 12U) << "orders differ too little";
  }
}

// What lies wholly behind the 24th bit of the largest addend vanishes on the oldest tensor cores, however often it
// comes; newer ones keep a bit or two more.
TEST_F(Accumulate, SmallAddendsBehindALargeOneVanish) {
  Operands of;
  of.c.fill(1);
  of.a.fill(0.75f);
  of.b.fill(0x1p-23f);
  std::set<float> seen;
  for (perturbation_ = 1; perturbation_ < 40; ++perturbation_) {
    const auto d = multiply(of);
    EXPECT_TRUE(std::all_of(d.begin(), d.end(), [&](float v) { return v == d[0]; }));
    seen.insert(d[0]);
  }
  EXPECT_TRUE(seen.count(1.0f)) << "24 bits";
  EXPECT_TRUE(seen.count(1 + 8 * 0x1p-23f)) << "25 bits: each counts a half";
  EXPECT_TRUE(seen.count(1 + 12 * 0x1p-23f)) << "26 bits: each counts in full";
  for (const float v : seen) EXPECT_LE(v, 1 + 12 * 0x1p-23f);
}

TEST_F(Accumulate, InfinitiesNansAndZerosAreNotApproximate) {
  Operands of = draw(true);
  of.a[0 * kDepth + 3] = kInf;                                     // row 0: infinite
  of.a[1 * kDepth + 5] = std::numeric_limits<float>::quiet_NaN();  // row 1: NaN
  of.a[2 * kDepth + 1] = kInf, of.a[2 * kDepth + 2] = -kInf;       // row 2: inf - inf
  for (std::size_t k = 0; k < kDepth; ++k) {
    of.a[3 * kDepth + k] = 0;         // row 3: c alone, of which one is -0
    of.a[4 * kDepth + k] = 0x1p126f;  // row 4: overflows
  }
  of.b.fill(2);
  for (std::size_t j = 0; j < kColumns; ++j) of.c[3 * kColumns + j] = -0.0f, of.c[4 * kColumns + j] = 0x1.8p127f;
  for (perturbation_ = 0; perturbation_ < 8; ++perturbation_) {
    const auto d = multiply(of);
    for (std::size_t j = 0; j < kColumns; ++j) {
      EXPECT_EQ(d[j], kInf);
      EXPECT_EQ(bits_of(d[kColumns + j]), 0x7FFFFFFFu);
      EXPECT_EQ(bits_of(d[2 * kColumns + j]), 0x7FFFFFFFu);
      EXPECT_EQ(d[3 * kColumns + j], 0.0f);
      EXPECT_EQ(d[4 * kColumns + j], kInf);
    }
  }
}

// With halves to accumulate in only half precision is promised. Halves near 2048 are even numbers: 16 products of 0.75
// make 2060 when at least eight come at once, and 2064 when every four of them, which make 3, are rounded up.
TEST_F(Accumulate, HalfPrecisionSumsAreRoundedToHalves) {
  const std::string text = header() + R"(
.visible .entry sum(.param .u64 pd) {
.reg .b64 d; .reg .b32 a, b, c, r, s, i;
ld.param.u64 d, [pd]; mov.u32 i, %tid.x; mad.wide.u32 d, i, 4, d;
mov.b32 a, 0x3A003A00; mov.b32 b, 0x3C003C00; mov.b32 c, 0x68006800;
mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {r,s}, {a,a,a,a}, {b,b}, {c,c};
st.global.b32 [d], r; ret; })";
  std::set<std::uint32_t> seen;
  for (perturbation_ = 0; perturbation_ < 20; ++perturbation_) {
    const std::uint32_t* out = poisoned<std::uint32_t>(32);
    run(text, "sum", Arguments().add(out));
    for (int i = 0; i < 32; ++i) seen.insert(out[i]);
    EXPECT_TRUE(perturbation_ != 0 || seen == std::set<std::uint32_t>{0x68066806});
  }
  EXPECT_EQ(seen, (std::set<std::uint32_t>{0x68066806, 0x68086808}));
}

}  // namespace
}  // namespace emulator::test
