// Instructions that are built as simpler ones, against what the manual says they do.
#include "machine.hpp"

namespace emulator::test {
namespace {

using u32 = std::uint32_t;
using s32 = std::int32_t;

class Expanded : public Machine {
 protected:
  Expanded() : random_(seed_), trace_(__FILE__, __LINE__, "OSDN_TEST_SEED=" + std::to_string(seed_)) {}
  std::vector<u32> words() {
    std::vector<u32> result(300);
    for (u32& v : result)
      v = random_() % 3 == 0 ? static_cast<u32>(random_() % 600) - 300 : static_cast<u32>(random_());
    return result;
  }
  /// d of `instructions` for random a, b, c is what f says.
  template <class F>
  void check(const std::string& instructions, F f) {
    const auto a = words(), b = words(), c = words();
    const auto d = each<u32, u32, u32, u32>(instructions, a, b, c);
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(d[i], f(a[i], b[i], c[i])) << instructions << ": " << a[i] << " " << b[i] << " " << c[i];
    }
  }
  std::uint64_t seed_ = fresh_seed();
  std::mt19937_64 random_;
  ::testing::ScopedTrace trace_;
};

s32 clamp(s32 v, s32 low, s32 high) {
  return std::min(high, std::max(low, v));
}

TEST_F(Expanded, PackingConversions) {
  check("cvt.pack.sat.u8.s32.b32 d, a, b, c;", [](u32 a, u32 b, u32 c) {
    return c << 16 | static_cast<u32>(clamp(static_cast<s32>(a), 0, 255)) << 8 |
           static_cast<u32>(clamp(static_cast<s32>(b), 0, 255));
  });
  check("cvt.pack.sat.s16.s32 d, a, b;", [](u32 a, u32 b, u32) {
    return static_cast<u32>(clamp(static_cast<s32>(a), -32768, 32767)) << 16 |
           (static_cast<u32>(clamp(static_cast<s32>(b), -32768, 32767)) & 0xFFFF);
  });
  check("cvt.pack.sat.s4.s32.b32 d, a, b, c;", [](u32 a, u32 b, u32 c) {
    return c << 8 | (static_cast<u32>(clamp(static_cast<s32>(a), -8, 7)) & 15) << 4 |
           (static_cast<u32>(clamp(static_cast<s32>(b), -8, 7)) & 15);
  });
}

TEST_F(Expanded, LookupsWithAPredicate) {
  check("setp.lt.u32 q, c, 1000;\nlop3.or.b32 d|p, a, b, c, 0x80, q;\nselp.b32 k, 1, 0, p;\nadd.u32 d, d, k;",
        [](u32 a, u32 b, u32 c) { return (a & b & c) + ((a & b & c) != 0 || c < 1000 ? 1 : 0); });
  check("setp.lt.u32 q, c, 0x80000000;\nlop3.and.b32 _|p, a, b, c, 0xE8, q;\nselp.b32 d, 1, 0, p;",
        [](u32 a, u32 b, u32 c) { return ((a & b) | (a & c) | (b & c)) != 0 && c < 0x80000000u ? 1u : 0u; });
}

TEST_F(Expanded, ExtremesThatAreNotNegative) {
  check("max.relu.s32 d, a, b;", [](u32 a, u32 b, u32) {
    return static_cast<u32>(std::max({static_cast<s32>(a), static_cast<s32>(b), 0}));
  });
  check("min.relu.s16x2 d, a, b;", [](u32 a, u32 b, u32) {
    u32 d = 0;
    for (unsigned k = 0; k < 32; k += 16) {
      const auto low = std::min(static_cast<std::int16_t>(a >> k), static_cast<std::int16_t>(b >> k));
      d |= static_cast<u32>(std::max<std::int16_t>(low, 0)) << k;
    }
    return d;
  });
}

TEST_F(Expanded, VideoInstructions) {
  check("vadd.s32.u32.s32.sat d, a.b1, b.h1;", [](u32 a, u32 b, u32) {
    return static_cast<u32>(static_cast<s32>(a >> 8 & 0xFF) + static_cast<std::int16_t>(b >> 16));
  });
  check("vabsdiff.u32.u32.u32.add d, a, b, c;", [](u32 a, u32 b, u32 c) { return (a > b ? a - b : b - a) + c; });
  check("vsub.u32.s32.s32.sat d, a, b;", [](u32 a, u32 b, u32) {
    const std::int64_t wide = std::int64_t{static_cast<s32>(a)} - static_cast<s32>(b);
    return static_cast<u32>(std::min<std::int64_t>(std::max<std::int64_t>(wide, 0), 0xFFFFFFFF));
  });
  check("vabsdiff4.u32.u32.u32.add d, a, b, c;", [](u32 a, u32 b, u32 c) {
    for (unsigned k = 0; k < 32; k += 8) {
      c += static_cast<u32>(std::abs(static_cast<s32>(a >> k & 0xFF) - static_cast<s32>(b >> k & 0xFF)));
    }
    return c;
  });
  check("vavrg2.s32.s32.s32 d, a, b, c;", [](u32 a, u32 b, u32) {
    u32 d = 0;
    for (unsigned k = 0; k < 32; k += 16) {
      const s32 sum = static_cast<std::int16_t>(a >> k) + static_cast<std::int16_t>(b >> k) + 1;
      d |= (static_cast<u32>(sum >> 1) & 0xFFFF) << k;
    }
    return d;
  });
}

TEST_F(Expanded, SpecialRegistersAsOperands) {
  const std::string text = header() + R"(
.visible .entry go(.param .u64 where) {
  .reg .b64 out, i; .reg .b32 r; .reg .pred p;
  ld.param.u64 out, [where];
  mad.lo.u32 r, %ctaid.x, %ntid.x, %tid.x;
  setp.eq.u32 p, %laneid, 5;
  cvt.u64.u32 i, r;
  mad.lo.u64 i, i, 4, out;
  @p add.u32 r, r, 1000;
  st.global.u32 [i], r;
  ret;
})";
  u32* out = poisoned<u32>(128);
  grid_ = {2, 1, 1};
  block_ = {64, 1, 1};
  run(text, "go", Arguments().add(out));
  for (u32 t = 0; t < 128; ++t) ASSERT_EQ(out[t], t + (t % 32 == 5 ? 1000 : 0)) << t;
}

TEST_F(Expanded, AtomicsOnVectors) {
  const std::string text = header("sm_90") + R"(
.visible .entry go(.param .u64 where) {
  .reg .b64 out; .reg .f32 f<8>;
  ld.param.u64 out, [where];
  mov.f32 f0, 0f3F800000; mov.f32 f1, 0f40000000; mov.f32 f2, 0f40400000; mov.f32 f3, 0f40800000;
  red.global.add.v4.f32 [out], {f0, f1, f2, f3};
  atom.global.v2.f32.add {f4, f5}, [out+8], {f0, f0};
  ret;
})";
  profile_.major = 9;
  float* out = buffer(std::vector<float>(4, 0.5f));
  block_ = {64, 1, 1};
  run(text, "go", Arguments().add(out));
  EXPECT_EQ(out[0], 64.5f);
  EXPECT_EQ(out[1], 128.5f);
  EXPECT_EQ(out[2], 64 * 4 + 0.5f);
  EXPECT_EQ(out[3], 64 * 5 + 0.5f);
}

}  // namespace
}  // namespace emulator::test
