// Random programs over values with undefined bytes, held against what those bytes do: the programs run without checks
// with other bytes in their place. Where a result changes, strict mode must refuse it; where a program only moves bits,
// it must refuse nothing else.
#include <cstdio>

#include "../machine.hpp"

namespace emulator::test {
namespace {

constexpr unsigned kLeaves = 6, kLanesHere = 32;
constexpr std::size_t kBytes = std::size_t{4} * kLeaves * kLanesHere;

/// One line of PTX.
std::string line(const std::string& opcode, std::initializer_list<std::string> operands) {
  std::string text = opcode;
  const char* separator = " ";
  for (const std::string& each : operands) {
    text.append(separator).append(each);
    separator = ", ";
  }
  return text.append(";\n");
}

class RandomDefinedness : public Machine {
 protected:
  RandomDefinedness()
      : seed_(fresh_seed()), random_(seed_), trace_(__FILE__, __LINE__, "OSDN_TEST_SEED=" + std::to_string(seed_)) {
    block_ = {kLanesHere, 1, 1};
    host_threads_ = 1;
  }

  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  std::string number(std::uint32_t value) { return std::to_string(value); }
  /// The name of a register.
  static std::string register_name(std::uint32_t index) { return std::string("r").append(std::to_string(index)); }
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
  const auto number = [](std::uint32_t value) { return std::to_string(value); };
  const std::string registers[] = {"r1", "r2", "r3", "r4", "r5"};
  const std::string& other = registers[draw(kLeaves - 1)];
  const std::string amount = number(draw(34)), width = number(draw(34));
  switch (draw(16)) {
    case 0:
      return line("and.b32", {to, from, other});
    case 1:
      return line("or.b32", {to, number(static_cast<std::uint32_t>(random())), from});
    case 2:
      return line("xor.b32", {to, from, other});
    case 3:
      return line("not.b32", {to, from});
    case 4:
      return draw(2) == 0 ? line("lop3.b32", {to, from, other, "t", number(draw(256))})
                          : line("lop3.b32", {to, "t", other, from, number(draw(256))});
    case 5:
      return line("shl.b32", {to, from, amount});
    case 6:
      return line("shr.u32", {to, from, amount});
    case 7:
      return line("shr.s32", {to, from, amount});
    case 8:
      return line("bfe.u32", {to, from, amount, width});
    case 9:
      return line("bfe.s32", {to, from, amount, width});
    case 10:
      return line("bfi.b32", {to, from, other, amount, width});
    case 11:
      return line("bfi.b32", {to, other, from, amount, width});
    case 12:
      return line("prmt.b32", {to, from, other, number(draw(65536))});
    case 13:
      return line("shf.l.wrap.b32", {to, from, other, amount});
    case 14:
      return line("mov.b64", {"x", "{" + from, other + "}"}) + line("shr.u64", {"x", "x", amount}) +
             line("cvt.u32.u64", {to, "x"});
    default:
      return line("cvt.s32.s16", {to, from}) + line("brev.b32", {to, to});
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
      const std::string to = register_name(20 + k);
      body += moving_step(value, to, random_);
      value = to;
    }
    // Copies of one sign bit are taken for independent bits, which a comparison may tell apart.
    const bool copies = body.find("s32") != std::string::npos || body.find("prmt") != std::string::npos;
    if (!arithmetic && !copies && draw(2) == 0) {
      body += line(pick({"setp.eq.u32", "setp.ne.s32", "setp.lt.s32", "setp.le.u32", "setp.gt.u32", "setp.ge.s32"}),
                   {"p", value, pick({"r1", "0", "255", "-1"})}) +
              line("selp.b32", {"r50", "r2", "r3", "p"});
      value = "r50";
    }
    body += line("mov.b32", {"d", value});
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
      const auto any = [&] { return register_name(draw(top)); };
      const std::string to = register_name(top), a = any(), b = any(), c = any();
      switch (draw(14)) {
        case 0:
          body += line(pick({"mul.lo.u32", "mul.hi.s32", "mul.hi.u32", "min.s32", "max.u32", "div.u32", "rem.s32"}),
                       {to, a, b});
          break;
        case 1:
          body += line(pick({"mad.lo.u32", "mad.hi.u32", "sad.s32", "dp4a.u32.s32"}), {to, a, b, c});
          break;
        case 2:
          body += line(pick({"popc.b32", "clz.b32", "bfind.u32", "abs.s32", "cnot.b32", "neg.s32"}), {to, a});
          break;
        case 3:
          body += line(pick({"shl.b32", "shr.u32", "shr.s32"}), {to, a, b});
          break;
        case 4:
          body += line(pick({"setp.eq.u32", "setp.lt.s32", "setp.ge.u32"}), {"p", a, b}) +
                  line("selp.b32", {to, b, c, "p"});
          break;
        case 5:
          body += line("setp.lt.u32", {"q", a, b}) +
                  line(pick({"setp.ne.and.s32", "setp.le.or.s32", "setp.gt.xor.s32"}), {"p", b, c, pick({"q", "!q"})}) +
                  line("selp.b32", {to, "7", a, "p"});
          break;
        case 6:
          body += line(pick({"shfl.sync.bfly.b32", "shfl.sync.idx.b32", "shfl.sync.down.b32", "shfl.sync.up.b32"}),
                       {to, a, number(draw(32)), pick({"31", "0", "0x181F"}), "-1"});
          break;
        case 7:
          body += line("setp.lt.u32", {"p", a, b}) + line("vote.sync.ballot.b32", {to, "p", "-1"});
          break;
        case 8:
          body += line(pick({"redux.sync.add.u32", "redux.sync.min.s32", "redux.sync.and.b32", "redux.sync.or.b32",
                             "redux.sync.xor.b32"}),
                       {to, a, "-1"});
          break;
        case 9:
          body += line(pick({"add.rn.f32", "mul.rn.f32", "max.f32"}), {to, a, b});
          break;
        case 10:
          body += line(pick({"add.u16x2", "add.rn.f16x2"}), {to, a, b});
          break;
        case 11:
          body += line("mul.wide.s32", {"x", a, b}) + line("shr.u64", {"x", "x", number(draw(64))}) +
                  line("cvt.u32.u64", {to, "x"});
          break;
        case 12:
          body += line("add.cc.u32", {"s0", a, b}) + line("addc.u32", {to, c, "0"});
          break;
        default:
          body += moving_step(a, to, random_);
          break;
      }
    }
    body += line("mov.b32", {"d", register_name(top - 1)});
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
