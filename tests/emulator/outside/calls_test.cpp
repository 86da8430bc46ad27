// Calls through pointers and tables, recursion, structures, local arrays, switches; printf, assert and malloc.
#include "outside.hpp"

namespace emulator::test {
namespace {

class Calls : public Outside {
 protected:
  /// What the kernel prints, by way of stdout.
  std::string printed(const std::string& kernel, const Arguments& arguments, unsigned threads) {
    ::testing::internal::CaptureStdout();
    grid_ = {1, 1, 1};
    block_ = {threads, 1, 1};
    const auto fault = launch(kernel, arguments);
    const std::string text = ::testing::internal::GetCapturedStdout();
    EXPECT_FALSE(fault) << fault->text();
    return text;
  }
};

double chosen(int which, double a) {
  return which % 3 == 0 ? a + which : which % 3 == 1 ? a * which : which - a;
}

TEST_F(Calls, ThroughPointers) {
  LOAD_OUTSIDE(compile("calls.cu"));
  const auto in = reals<double>(128, -10, 10);
  const auto which = integers<int>(128, 0, 100);
  double* out = poisoned<double>(128);
  go("by_pointer", Arguments().add(buffer(in)).add(buffer(which)).add(out), 1, 128);
  for (std::size_t i = 0; i < 128; ++i) ASSERT_EQ(out[i], chosen(which[i], in[i])) << i;
}

TEST_F(Calls, OfVirtualFunctions) {
  LOAD_OUTSIDE(compile("calls.cu"));
  const auto in = integers<int>(64, 1, 50);
  std::vector<float> sides(in.begin(), in.end());
  float* out = poisoned<float>(64);
  go("by_table", Arguments().add(buffer(sides)).add(out), 1, 64);
  for (std::size_t i = 0; i < 64; ++i) {
    const float s = sides[i];
    ASSERT_EQ(out[i], i % 2 == 0 ? s * s + s * s * 9 : s * 2 + s * 2 * 9 + 1) << i;
  }
}

int ackermann(int m, int n) {
  return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

TEST_F(Calls, Recursion) {
  LOAD_OUTSIDE(compile("calls.cu"));
  int* deep = poisoned<int>(64);
  std::uint32_t* wide = poisoned<std::uint32_t>(64);
  go("recursion", Arguments().add(deep).add(wide), 1, 64);
  const std::uint32_t fibonacci[12] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89};
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(deep[i], ackermann(i % 3, i / 3 % 4)) << i;
    ASSERT_EQ(wide[i], fibonacci[i % 12]) << i;
  }
}

TEST_F(Calls, StructuresAsArgumentsAndResults) {
  LOAD_OUTSIDE(compile("calls.cu"));
  struct Big {
    double d[3];
    char c[5];
    int i;
  };
  std::vector<Big> in(40);
  for (Big& big : in) {
    for (double& d : big.d) d = std::uniform_real_distribution<double>(-1, 1)(random_);
    for (char& c : big.c) c = static_cast<char>(random_());
    big.i = static_cast<int>(random_() % 1000);
  }
  Big* out = poisoned<Big>(40);
  go("structures", Arguments().add(buffer(in)).add(out), 1, 40);
  for (std::size_t t = 0; t < 40; ++t) {
    ASSERT_EQ(out[t].d[0], in[t].d[2]);
    ASSERT_EQ(out[t].d[1], in[t].d[1]);
    ASSERT_EQ(out[t].d[2], in[t].d[0]);
    for (int k = 0; k < 5; ++k) ASSERT_EQ(out[t].c[k], static_cast<char>(in[t].c[k] + static_cast<char>(t)));
    ASSERT_EQ(out[t].i, -in[t].i);
  }
}

TEST_F(Calls, LocalArrays) {
  LOAD_OUTSIDE(compile("calls.cu"));
  auto in = integers<int>(12 * 64, -100, 100);
  int* out = poisoned<int>(in.size());
  go("local_arrays", Arguments().add(buffer(in)).add(out), 1, 64);
  for (auto at = in.begin(); at != in.end(); at += 12) std::sort(at, at + 12);
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], in[i]) << i;
}

TEST_F(Calls, Switches) {
  LOAD_OUTSIDE(compile("calls.cu"));
  const auto program = integers<std::uint8_t>(200, 0, 11);
  const int length = 200;
  int* out = poisoned<int>(64);
  go("switches", Arguments().add(buffer(program)).add(out).add(length), 1, 64);
  for (int t = 0; t < 64; ++t) {
    std::uint32_t a = static_cast<std::uint32_t>(t), b = 1;
    for (std::uint32_t i = 0; i < 200; ++i) {
      switch (program[i]) {
        case 0:
          a += b;
          break;
        case 1:
          a -= b * 3;
          break;
        case 2:
          b ^= a;
          break;
        case 3:
          a = a * 7 + 1;
          break;
        case 4:
          b = static_cast<std::uint32_t>(static_cast<std::int32_t>(a) >> 3);
          break;
        case 5:
          b = (a & 1) != 0 ? 0 : b;
          break;
        case 6:
          a = b - a;
          break;
        case 7:
          b += i;
          break;
        case 8:
          a |= 0x100;
          break;
        case 9:
          a ^= 0x55;
          break;
        default:
          b = 0 - b;
      }
    }
    ASSERT_EQ(out[t], static_cast<int>(a * 31 + b)) << t;
  }
}

TEST_F(Calls, Printf) {
  LOAD_OUTSIDE(compile("calls.cu"));
  const char word[] = "hello";
  const int n = 7;
  const std::vector<char> text(word, word + sizeof(word));
  const std::string output = printed("says", Arguments().add(n).add(buffer(text)), 8);
  char expected[512];
  std::snprintf(expected, sizeof(expected), "%d%% of %s: %5.2f %e %c 0x%08x %lld %-6s|%u %p\n", n, "text", 2.5 * n,
                1e-10, 'q', 0xABCDu, -12345678901234ll, "ab", 4000000000u, static_cast<void*>(nullptr));
  EXPECT_NE(output.find(expected), std::string::npos) << output;
  std::snprintf(expected, sizeof(expected), "%d arguments, %hd %hhd %lu %+d % d %.3s %5d%*d\n", 10,
                static_cast<short>(-3), static_cast<char>(7), 99ul, 5, 6, "abcdef", -4, 6, 42);
  EXPECT_NE(output.find(expected), std::string::npos) << output;
  EXPECT_NE(output.find("thread 3 says hello without an argument more\n"), std::string::npos) << output;
}

TEST_F(Calls, AssertNamesItsPlace) {
  LOAD_OUTSIDE(compile("calls.cu"));
  auto in = integers<int>(32, 0, 9);
  grid_ = {1, 1, 1};
  block_ = {32, 1, 1};
  ASSERT_FALSE(launch("asserts", Arguments().add(buffer(in))));
  in[5] = 10;
  const auto fault = launch("asserts", Arguments().add(buffer(in)));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::assertion);
  EXPECT_EQ(fault->thread[0], 5u);
  EXPECT_NE(fault->message.find("too large"), std::string::npos) << fault->message;
  EXPECT_NE(fault->message.find("calls.cu:"), std::string::npos) << fault->message;
}

TEST_F(Calls, TrapStops) {
  LOAD_OUTSIDE(compile("calls.cu"));
  const int trap = 0, neither = 2;
  ASSERT_FALSE(launch("stops", Arguments().add(neither)));
  const auto fault = launch("stops", Arguments().add(trap));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::trap);
}

TEST_F(Calls, MallocAndFree) {
  LOAD_OUTSIDE(compile("calls.cu"));
  int* out = poisoned<int>(32);
  const std::size_t before = memory_.used();
  go("allocates", Arguments().add(out), 1, 32);
  for (int i = 0; i < 32; ++i) ASSERT_EQ(out[i], (i + 3) * (i + 2) / 2) << i;
  EXPECT_EQ(memory_.used(), before);
}

// PTX that no compiler writes today: parameters in registers, targets by list, an alias.
TEST_F(Calls, ByHand) {
  const std::string text = header() + R"(
.func (.reg .u32 r) twice(.reg .u32 a, .reg .u64 b) { add.u32 r, a, a; cvt.u32.u64 a, b; add.u32 r, r, a; ret; }
.func (.reg .u32 r) thrice(.reg .u32 a, .reg .u64 b) { mul.lo.u32 r, a, 3; ret; }
.alias third, thrice;
.global .u64 pointers[2] = {twice, third};
.visible .entry by_hand(.param .u64 out) {
  .reg .b64 at, f; .reg .b32 t, r, s; .reg .pred p;
  targets: .calltargets twice, thrice;
  mov.u32 t, %tid.x;
  call (r), twice, (t, 100);
  and.b32 s, t, 1;
  mov.u64 at, pointers;
  mad.wide.u32 at, s, 8, at;
  ld.global.u64 f, [at];
  call (s), f, (t, 1000), targets;
  mad.lo.u32 r, s, 10000, r;
  ld.param.u64 at, [out];
  mad.wide.u32 at, t, 4, at;
  st.global.u32 [at], r;
  ret;
})";
  std::uint32_t* out = poisoned<std::uint32_t>(32);
  block_ = {32, 1, 1};
  run(text, "by_hand", Arguments().add(out));
  for (std::uint32_t t = 0; t < 32; ++t) {
    ASSERT_EQ(out[t], 2 * t + 100 + 10000 * (t % 2 == 0 ? 2 * t + 1000 : 3 * t)) << t;
  }
}

TEST_F(Calls, OfNoFunctionIsAFault) {
  const std::string text = header() + R"(
.func f(.param .b32 a) { ret; }
.func g(.param .b64 a) { ret; }
.visible .entry wild(.param .u64 to) {
  .reg .b64 f<2>;
  .param .b32 a;
  shape: .callprototype _ (.param .b32 _);
  mov.u64 f1, f;
  ld.param.u64 f0, [to];
  setp.ne.u64 p, f0, 0;
  @!p mov.u64 f0, g;
  st.param.b32 [a], 0;
  call f0, (a), shape;
  ret;
})";
  const std::string with_predicate = std::string(text).replace(text.find(".reg .b64 f<2>"), 0, ".reg .pred p; ");
  const auto refused = load(with_predicate);
  ASSERT_FALSE(refused) << refused->text();
  const std::uint64_t nowhere = 0x1234, other = 0;
  auto fault = launch("wild", Arguments().add(nowhere));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::out_of_bounds) << fault->text();
  fault = launch("wild", Arguments().add(other));
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->message.find("prototype"), std::string::npos) << fault->text();
}

}  // namespace
}  // namespace emulator::test
