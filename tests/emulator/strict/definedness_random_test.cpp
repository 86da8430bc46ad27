// Random programs over values with undefined bytes, held against what those bytes do: the programs run without checks
// with other bytes in their place. Where a result changes, strict mode must refuse it; where a program only moves bits,
// it must refuse nothing else.
#include <cstdio>

#include "../machine.hpp"

namespace emulator::test {
namespace {

constexpr unsigned kLeaves = 6, kLanesHere = 32;
constexpr std::size_t kBytes = std::size_t{4} * kLeaves * kLanesHere;

class RandomDefinedness : public Machine {
 protected:
  RandomDefinedness()
      : seed_(fresh_seed()), random_(seed_), trace_(__FILE__, __LINE__, "OSDN_TEST_SEED=" + std::to_string(seed_)) {
    block_ = {kLanesHere, 1, 1};
    host_threads_ = 1;
  }

  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  std::string number(std::uint32_t value) { return std::to_string(value); }
  std::string pick(const std::vector<std::string>& of) { return of[draw(static_cast<std::uint32_t>(of.size()))]; }

  /// r0 … r5 hold the leaves; `body` sets d.
  static std::string program(const std::string& body) {
    std::string text =
        header() +
        ".visible .entry k(.param .u64 pout, .param .u64 pin) {\n.reg .b64 out, in, x, y; .reg .b32 t, d, "
        "r<64>, s<8>; .reg .pred p, q; .reg .b16 h, g;\n"
        "ld.param.u64 out, [pout]; ld.param.u64 in, [pin]; mov.u32 t, %tid.x; mad.wide.u32 in, t, 4, in; "
        "mad.wide.u32 out, t, 4, out;\n";
    for (unsigned k = 0; k < kLeaves; ++k) {
      text += "ld.global.b32 r" + std::to_string(k) + ", [in+" + std::to_string(4 * kLanesHere * k) + "];\n";
    }
    return text + body + "st.global.b32 [out], d;\nret;\n}\n";
  }

  /// The first lane whose result strict mode refuses; kLanesHere when it refuses none.
  unsigned refused(const std::vector<std::uint8_t>& bytes, const std::vector<bool>& undefined) {
    const std::uint64_t in = memory_.allocate(kBytes), out = memory_.allocate(4 * kLanesHere);
    std::memcpy(reinterpret_cast<void*>(in), bytes.data(), kBytes);
    for (std::size_t i = 0; i < kBytes; ++i) {
      if (!undefined[i]) memory_.mark_written(in + i, 1);
    }
    strict_ = true;
    const auto fault = launch("k", Arguments().add(out).add(in));
    memory_.release(in);
    memory_.release(out);
    if (!fault) return kLanesHere;
    EXPECT_EQ(fault->kind, Fault::Kind::undefined) << fault->text();
    return fault->thread[0];
  }

  /// The lanes whose results change when the undefined bytes do: `fills` times, filled by fill(round, byte).
  template <class F>
  std::vector<bool> changes(std::vector<std::uint8_t> bytes, const std::vector<bool>& undefined, unsigned fills,
                            F fill) {
    std::vector<bool> result(kLanesHere, false);
    std::vector<std::uint32_t> first;
    std::uint8_t* in = buffer(bytes);
    auto* out = poisoned<std::uint32_t>(kLanesHere);
    strict_ = false;
    for (unsigned round = 0; round < fills; ++round) {
      for (std::size_t i = 0; i < kBytes; ++i) {
        if (undefined[i]) in[i] = fill(round);
      }
      EXPECT_FALSE(launch("k", Arguments().add(out).add(in)));
      if (round == 0) first.assign(out, out + kLanesHere);
      for (unsigned lane = 0; lane < kLanesHere; ++lane) {
        if (out[lane] != first[lane]) result[lane] = true;
      }
    }
    memory_.release(reinterpret_cast<std::uint64_t>(in));
    memory_.release(reinterpret_cast<std::uint64_t>(out));
    return result;
  }

  std::vector<std::uint8_t> noise() {
    std::vector<std::uint8_t> bytes(kBytes);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random_());
    // Small and extreme numbers are where carries and comparisons decide.
    for (std::size_t i = 0; i + 4 <= kBytes; i += 4) {
      if (draw(3) == 0) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(i) + 1, 3, draw(2) == 0 ? 0 : 0xFF);
    }
    return bytes;
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  ::testing::ScopedTrace trace_;
};

/// One step of a chain that moves the bits of `from` about, with constants and registers that are defined.
std::string moving_step(const std::string& from, const std::string& to, std::mt19937_64& random) {
  const auto draw = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
  const std::string other = "r" + std::to_string(1 + draw(kLeaves - 1));
  const std::string constant = std::to_string(static_cast<std::uint32_t>(random()));
  const std::string amount = std::to_string(draw(34)), width = std::to_string(draw(34));
  switch (draw(16)) {
    case 0:
      return "and.b32 " + to + ", " + from + ", " + other + ";\n";
    case 1:
      return "or.b32 " + to + ", " + constant + ", " + from + ";\n";
    case 2:
      return "xor.b32 " + to + ", " + from + ", " + other + ";\n";
    case 3:
      return "not.b32 " + to + ", " + from + ";\n";
    case 4: {
      const std::string orders[] = {from + ", " + other + ", t", other + ", " + from + ", t",
                                    "t, " + other + ", " + from};
      return "lop3.b32 " + to + ", " + orders[draw(3)] + ", " + std::to_string(draw(256)) + ";\n";
    }
    case 5:
      return "shl.b32 " + to + ", " + from + ", " + amount + ";\n";
    case 6:
      return "shr.u32 " + to + ", " + from + ", " + amount + ";\n";
    case 7:
      return "shr.s32 " + to + ", " + from + ", " + amount + ";\n";
    case 8:
      return "bfe.u32 " + to + ", " + from + ", " + amount + ", " + width + ";\n";
    case 9:
      return "bfe.s32 " + to + ", " + from + ", " + amount + ", " + width + ";\n";
    case 10:
      return "bfi.b32 " + to + ", " + from + ", " + other + ", " + amount + ", " + width + ";\n";
    case 11:
      return "bfi.b32 " + to + ", " + other + ", " + from + ", " + amount + ", " + width + ";\n";
    case 12:
      return "prmt.b32 " + to + ", " + from + ", " + other + ", " + std::to_string(draw(65536)) + ";\n";
    case 13:
      return "shf.l.wrap.b32 " + to + ", " + from + ", " + other + ", " + amount + ";\n";
    case 14:
      return "mov.b64 x, {" + from + ", " + other + "}; shr.u64 x, x, " + amount + "; cvt.u32.u64 " + to + ", x;\n";
    default:
      return "cvt.s32.s16 " + to + ", " + from + "; brev.b32 " + to + ", " + to + ";\n";
  }
}

/// One undefined byte for each lane, tried with all 256 values: refused are exactly the lanes whose result changes.
TEST_F(RandomDefinedness, ProgramsThatMoveBitsAreJudgedExactly) {
  unsigned refusals = 0;
  for (unsigned trial = 0; trial < 80; ++trial) {
    std::string body, value = "r0";
    if (draw(2) == 0) {
      body +=
          pick({"add.u32 r10, r0, r1;\n", "sub.u32 r10, r0, r1;\n", "sub.u32 r10, r1, r0;\n", "neg.s32 r10, r0;\n"});
      value = "r10";
    }
    const bool arithmetic = !body.empty();
    const unsigned steps = 1 + draw(5);
    for (unsigned k = 0; k < steps; ++k) {
      const std::string to = "r" + number(20 + k);
      body += moving_step(value, to, random_);
      value = to;
    }
    if (!arithmetic && draw(2) == 0) {
      body += "setp." + pick({"eq", "ne", "lt", "le", "gt", "ge"}) + pick({".u32", ".s32"}) + " p, " + value + ", " +
              pick({"r1", "0", "255", "-1"}) + "; selp.b32 r50, r2, r3, p;\n";
      value = "r50";
    }
    body += "mov.b32 d, " + value + ";\n";
    ASSERT_FALSE(load(program(body))) << body;
    const auto bytes = noise();
    std::vector<bool> undefined(kBytes, false);
    for (unsigned lane = 0; lane < kLanesHere; ++lane) undefined[4 * lane + draw(4)] = true;
    const unsigned first = refused(bytes, undefined);
    const auto changed =
        changes(bytes, undefined, 256, [](unsigned round) { return static_cast<std::uint8_t>(round); });
    unsigned expected = 0;
    while (expected < kLanesHere && !changed[expected]) ++expected;
    ASSERT_EQ(first, expected) << "the first lane whose result depends on the undefined byte\n" << body;
    refusals += expected < kLanesHere ? 1 : 0;
  }
  EXPECT_GT(refusals, 20u);
  EXPECT_LT(refusals, 80u);
}

/// Many undefined bytes, and every kind of arithmetic: what changes is refused.
TEST_F(RandomDefinedness, NothingThatChangesIsMissed) {
  unsigned passed = 0, refusals = 0;
  for (unsigned trial = 0; trial < 150; ++trial) {
    std::string body;
    unsigned top = kLeaves;
    const unsigned steps = 2 + draw(8);
    for (unsigned k = 0; k < steps; ++k, ++top) {
      const auto any = [&] { return "r" + number(draw(top)); };
      const std::string to = "r" + number(top), a = any(), b = any(), c = any();
      switch (draw(14)) {
        case 0:
          body += pick({"mul.lo.u32 ", "mul.hi.s32 ", "mul.hi.u32 ", "min.s32 ", "max.u32 ", "div.u32 ", "rem.s32 "}) +
                  to + ", " + a + ", " + b + ";\n";
          break;
        case 1:
          body += pick({"mad.lo.u32 ", "mad.hi.u32 ", "sad.s32 ", "dp4a.u32.s32 "}) + to + ", " + a + ", " + b + ", " +
                  c + ";\n";
          break;
        case 2:
          body += pick({"popc.b32 ", "clz.b32 ", "bfind.u32 ", "abs.s32 ", "cnot.b32 ", "neg.s32 "}) + to + ", " + a +
                  ";\n";
          break;
        case 3:
          body += pick({"shl.b32 ", "shr.u32 ", "shr.s32 "}) + to + ", " + a + ", " + b + ";\n";
          break;
        case 4:
          body += "setp." + pick({"eq", "lt", "ge"}) + pick({".u32", ".s32"}) + " p, " + a + ", " + b + "; selp.b32 " +
                  to + ", " + b + ", " + c + ", p;\n";
          break;
        case 5:
          body += "setp.lt.u32 q, " + a + ", " + b + "; setp." + pick({"ne.and", "le.or", "gt.xor"}) + ".s32 p, " + b +
                  ", " + c + ", " + pick({"q", "!q"}) + "; selp.b32 " + to + ", 7, " + a + ", p;\n";
          break;
        case 6:
          body += "shfl.sync." + pick({"bfly", "idx", "down", "up"}) + ".b32 " + to + ", " + a + ", " +
                  number(draw(32)) + ", " + pick({"31", "0", "0x181F"}) + ", -1;\n";
          break;
        case 7:
          body += "setp.lt.u32 p, " + a + ", " + b + "; vote.sync.ballot.b32 " + to + ", p, -1;\n";
          break;
        case 8:
          body += "redux.sync." + pick({"add.u32 ", "min.s32 ", "and.b32 ", "or.b32 ", "xor.b32 "}) + to + ", " + a +
                  ", -1;\n";
          break;
        case 9:
          body += pick({"add.rn.f32 ", "mul.rn.f32 ", "max.f32 "}) + to + ", " + a + ", " + b + ";\n";
          break;
        case 10:
          body += pick({"add.u16x2 ", "add.rn.f16x2 "}) + to + ", " + a + ", " + b + ";\n";
          break;
        case 11:
          body += "mul.wide.s32 x, " + a + ", " + b + "; shr.u64 x, x, " + number(draw(64)) + "; cvt.u32.u64 " + to +
                  ", x;\n";
          break;
        case 12:
          body += "add.cc.u32 s0, " + a + ", " + b + "; addc.u32 " + to + ", " + c + ", 0;\n";
          break;
        default:
          body += moving_step(a, to, random_);
          break;
      }
    }
    body += "mov.b32 d, r" + number(top - 1) + ";\n";
    const auto unfit = load(program(body));
    ASSERT_FALSE(unfit) << unfit->text() << body;
    const auto bytes = noise();
    std::vector<bool> undefined(kBytes, false);
    const std::uint32_t rarity = 8 + draw(200);
    for (std::size_t i = 0; i < kBytes; ++i) undefined[i] = draw(rarity) == 0;
    const unsigned first = refused(bytes, undefined);
    const auto changed = changes(bytes, undefined, 40, [&](unsigned) {
      return static_cast<std::uint8_t>(draw(2) == 0 ? random_() : draw(2) == 0 ? 0 : 0xFF);
    });
    for (unsigned lane = 0; lane < first; ++lane) {
      ASSERT_FALSE(changed[lane]) << "lane " << lane << " depends on undefined bytes, unnoticed\n" << body;
    }
    passed += first == kLanesHere ? 1 : 0;
    refusals += first < kLanesHere ? 1 : 0;
  }
  EXPECT_GT(refusals, 30u);
  EXPECT_GT(passed, 3u);
}

}  // namespace
}  // namespace emulator::test
