// Every kind of fault, with the line, the thread and the numbers a reader needs; and texts that are no PTX.
#include "machine.hpp"

namespace emulator::test {
namespace {

class Faults : public Machine {
 protected:
  /// Line 7 of the text is the first line of the body.
  static std::string kernel(const std::string& body) {
    return header() +
           ".visible .entry broken(.param .u64 pin) {\n.reg .b64 in, at; .reg .b32 t, a, b, c, d<4>; .reg .pred p;\n"
           "ld.param.u64 in, [pin]; mov.u32 t, %tid.x;\n" +
           body + "\nret;\n}\n";
  }
  Fault fault_of(const std::string& body, std::size_t bytes = 256) {
    const auto refused = load(kernel(body));
    EXPECT_FALSE(refused) << refused->text();
    const std::uint64_t in = memory_.allocate(bytes);
    std::memset(reinterpret_cast<void*>(in), 0, bytes);
    const auto fault = launch("broken", Arguments().add(in));
    EXPECT_TRUE(fault) << body;
    return fault.value_or(Fault{});
  }
  Fault refusal_of(const std::string& text) {
    const auto fault = load(text);
    EXPECT_TRUE(fault) << text;
    return fault.value_or(Fault{});
  }
  static bool mentions(const Fault& fault, const std::string& word) {
    return fault.text().find(word) != std::string::npos;
  }
};

TEST_F(Faults, OutOfBoundsNamesTheThreadTheLineAndTheAllocation) {
  grid_ = {2, 1, 1};
  block_ = {8, 4, 2};
  const Fault fault = fault_of(
      "mov.u32 a, %tid.y; mad.lo.u32 t, a, 8, t; mov.u32 a, %tid.z; mad.lo.u32 t, a, 32, t;\n"
      "mad.wide.u32 at, t, 4, in;\nst.global.b32 [at+8], t;",
      256);
  EXPECT_EQ(fault.kind, Fault::Kind::out_of_bounds);
  EXPECT_EQ(fault.kernel, "broken");
  EXPECT_EQ(fault.line, 9);
  EXPECT_EQ(fault.instruction, "st.global.b32 [at+8], t;");
  EXPECT_EQ(fault.thread, (std::array<unsigned, 3>{6, 3, 1})) << "thread 62 is the first beyond 256 bytes";
  EXPECT_TRUE(mentions(fault, "0 bytes behind the end of the allocation of 256 bytes")) << fault.text();
}

TEST_F(Faults, EverySpaceIsChecked) {
  EXPECT_TRUE(
      mentions(fault_of(".shared .align 4 .b8 s[64];\nmov.u32 a, s; mad.lo.u32 a, t, 4, a; st.shared.b32 [a], t;"),
               "offset 0x40 of shared memory, which has 64 bytes"));
  EXPECT_TRUE(mentions(fault_of(".local .align 4 .b8 l[16];\nst.local.b32 [l+16], t;"), "local memory"));
  EXPECT_TRUE(mentions(fault_of("ld.param.b32 a, [pin+8];"), "parameter space, which has 8 bytes"));
  EXPECT_EQ(fault_of("mov.u64 at, 16; ld.global.b32 a, [at];").kind, Fault::Kind::out_of_bounds);
  EXPECT_EQ(fault_of("ld.global.b32 a, [in+-4];").kind, Fault::Kind::out_of_bounds);
  EXPECT_TRUE(mentions(fault_of("ld.global.b32 a, [in+-4];"), "4 bytes before the allocation"));
  EXPECT_EQ(fault_of("ld.b32 a, [in+256];").kind, Fault::Kind::out_of_bounds);
  EXPECT_EQ(fault_of("red.global.add.u32 [in+256], 1;").kind, Fault::Kind::out_of_bounds);
  EXPECT_EQ(fault_of("ld.global.v4.b32 {d0, d1, d2, d3}, [in+256];").kind, Fault::Kind::out_of_bounds);
  EXPECT_EQ(fault_of(".shared .align 16 .b8 s[512];\nmov.u32 a, s; mad.lo.u32 a, t, 16, a; add.u32 a, a, 16;\n"
                     "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {d0, d1, d2, d3}, [a];")
                .thread[0],
            31u);
  EXPECT_EQ(fault_of(".shared .align 16 .b8 s[16];\nmov.u32 a, s;\ncp.async.cg.shared.global [a], [in+256], 16;").line,
            9);
}

TEST_F(Faults, AnAllocationThatWasReleasedIsGone) {
  const std::uint64_t gone = memory_.allocate(64);
  memory_.release(gone);
  ASSERT_FALSE(load(kernel("ld.global.b32 a, [in];")));
  const auto fault = launch("broken", Arguments().add(gone));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::out_of_bounds);
}

TEST_F(Faults, Misaligned) {
  Fault fault = fault_of("mad.wide.u32 at, t, 2, in; ld.global.b32 a, [at];");
  EXPECT_EQ(fault.kind, Fault::Kind::misaligned);
  EXPECT_EQ(fault.thread[0], 1u);
  fault = fault_of(".shared .align 16 .b8 s[64];\nmov.u32 a, s; ld.shared.v4.b32 {d0, d1, d2, d3}, [a+8];");
  EXPECT_EQ(fault.kind, Fault::Kind::misaligned);
  EXPECT_TRUE(mentions(fault, "16 bytes at 0x8")) << fault.text();
}

TEST_F(Faults, DeadlocksAndBarriersThatNobodyReaches) {
  block_ = {64, 1, 1};
  // Two warps wait at two different barriers.
  Fault fault = fault_of("setp.lt.u32 p, t, 32;\n@p bar.sync 1, 64;\n@!p bar.sync 2, 64;");
  EXPECT_EQ(fault.kind, Fault::Kind::deadlock);
  EXPECT_TRUE(fault.line == 8 || fault.line == 9);
  // A counted barrier, but half of the threads have left.
  fault = fault_of("setp.ge.u32 p, t, 32; @p exit;\nbar.sync 1, 64;");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
  EXPECT_EQ(fault.line, 8);
  // The lanes of a warp at two aligned barriers.
  fault =
      fault_of("and.b32 a, t, 1; setp.eq.u32 p, a, 0; @p bra even;\nbar.sync 0; bra.uni end;\neven: bar.sync 0;\nend:");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
  // A mask that names a lane that has exited.
  fault = fault_of("setp.eq.u32 p, t, 3; @p exit;\nbar.warp.sync -1;");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
  EXPECT_EQ(fault.line, 8);
  // A lane that is not in its own mask.
  fault = fault_of("shfl.sync.bfly.b32 a, t, 1, 31, 0x7FFFFFFF;");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
  EXPECT_EQ(fault.thread[0] % 32, 31u);
  // Half a warp at a shuffle of the whole, the other half at the block's barrier.
  fault = fault_of(
      "and.b32 a, t, 31; setp.lt.u32 p, a, 16; @p bra low;\nshfl.sync.bfly.b32 a, t, 1, 31, -1;\nlow: bar.sync 0;");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
}

TEST_F(Faults, MatrixInstructionsNeedTheWholeWarp) {
  const Fault fault = fault_of(
      ".shared .align 16 .b8 s[512];\nsetp.eq.u32 p, t, 5; @p exit; mov.u32 a, s;\n"
      "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {d0}, [a];");
  EXPECT_EQ(fault.kind, Fault::Kind::divergent_barrier);
  EXPECT_EQ(fault.line, 9);
}

TEST_F(Faults, TrapsAssertionsAndBudgets) {
  Fault fault = fault_of("setp.eq.u32 p, t, 9;\n@p trap;");
  EXPECT_EQ(fault.kind, Fault::Kind::trap);
  EXPECT_EQ(fault.thread[0], 9u);
  EXPECT_EQ(fault.line, 8);
  limit_ = 5000;
  fault = fault_of("forever: bra.uni forever;");
  EXPECT_EQ(fault.kind, Fault::Kind::instruction_limit);
  EXPECT_EQ(fault.line, 7);
}

TEST_F(Faults, RecursionWithoutEndFaults) {
  const std::string text =
      header() +
      R"(.func down(.param .b32 n) { .local .b32 keep; .reg .b32 a; ld.param.b32 a, [n]; add.u32 a, a, 1; st.local.b32 [keep], a;
{ .param .b32 arg; st.param.b32 [arg], a; call.uni down, (arg); } ret; }
.visible .entry broken(.param .u64 pin) { { .param .b32 arg; st.param.b32 [arg], 1; call.uni down, (arg); } ret; })";
  ASSERT_FALSE(load(text));
  const auto fault = launch("broken", Arguments().add(std::uint64_t{0}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::out_of_bounds);
}

TEST_F(Faults, UnsupportedInstructionsAreRefusedWithTheirLine) {
  Fault fault = refusal_of(kernel("add.u32 a, a, t;\nfrobnicate.u32 a, t;"));
  EXPECT_EQ(fault.kind, Fault::Kind::unsupported);
  EXPECT_EQ(fault.line, 8);
  EXPECT_EQ(fault.instruction, "frobnicate.u32 a, t;");
  EXPECT_EQ(refusal_of(kernel("add.u33 a, a, t;")).kind, Fault::Kind::unsupported);
  EXPECT_EQ(refusal_of(kernel("tex.2d.v4.f32.f32 {d0, d1, d2, d3}, [in, {a, b}];")).kind, Fault::Kind::unsupported);
  EXPECT_EQ(refusal_of(header() + ".surprise 3;").kind, Fault::Kind::unsupported);
}

TEST_F(Faults, WrongOperandsAreSyntaxErrors) {
  for (const std::string body :
       {"add.u32 a, a;", "add.u32 a, in, t;", "add.u64 a, in, in;", "mov.u32 a, nowhere;", "bra nowhere;",
        "@in bra end; end:", "ld.global.b32 at, [missing];", "ld.global.v2.b32 a, [in];", "st.param.b32 [pin], a;",
        "setp.lt.u32 a, a, t;", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {d0}, {d0}, {d0}, {d0};",
        "cp.async.cg.shared.global [a], [in], 8;", "fma.rn.f32 a, 1, a, a;", "cvt.f16.f32 a, a;",
        "lop3.b32 a, a, a, a, t;", "add.u32 a, [in], t;", "x: x: ret;"}) {
    const Fault fault = refusal_of(kernel(body));
    EXPECT_EQ(fault.kind, Fault::Kind::syntax) << body << ": " << fault.text();
    EXPECT_EQ(fault.line, 7) << body;
  }
}

/// Damaged texts must be refused or run; they must never crash. Every cut, and many random changes, of a text that uses
/// most of the grammar.
TEST_F(Faults, DamagedTextsNeverCrash) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  const std::string text = header() + R"(.const .align 4 .b8 c[8] = {1, 2, 0x3};
.global .align 8 .u64 g = c+4; .extern .shared .align 16 .b8 dyn[];
.func (.param .b32 r) f(.param .b32 n) { .reg .b32 %r<3>; ld.param.b32 %r1, [n]; st.param.b32 [r], %r1; ret; }
.visible .entry k(.param .u64 p0, .param .align 8 .b8 p1[24]) .maxntid 64, 1, 1 {
.reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %rd<5>; .reg .f32 %f<6>; .local .align 4 .b8 l[16]; .shared .align 4 .b8 s[32];
ld.param.u64 %rd1, [p0]; ld.param.u32 %r1, [p1+8]; mov.u32 %r2, %tid.x; setp.lt.and.u32 %p1|%p2, %r2, 0x10, !%p0;
@!%p1 bra $L1; shfl.sync.bfly.b32 %r3|%p3, %r2, 1, 31, -1; mov.b64 %rd2, {%r2, %r3}; mov.b64 {%r4, _}, %rd2;
$L1: { .reg .b32 t; mul.wide.u32 %rd3, %r2, 4; fma.rn.f32 %f1, 0f3F800000, %f2, %f3; }
{ .param .b32 a; .param .b32 b; st.param.b32 [a+0], %r2; call.uni (b), f, (a); ld.param.b32 %r5, [b+0]; }
mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f1, %f2, %f3, %f4};
t: .branchtargets $L1, end; brx.idx %r2, t; st.local.v2.b32 [l+8], {%r1, %r2}; cp.async.ca.shared.global [s], [%rd1+4], 4, %r1;
end: bar.sync 0; atom.shared.add.u32 %r7, [s+4], 1; st.global.f32 [%rd1+-4], %f1; ret; })";
  ASSERT_FALSE(load(text));
  std::mt19937_64 random(seed);
  const auto attempt = [&](const std::string& damaged) {
    const auto fault = load(damaged);
    if (!fault || fault->kind == Fault::Kind::syntax || fault->kind == Fault::Kind::unsupported) return;
    ADD_FAILURE() << fault->text();
  };
  for (std::size_t cut = 0; cut < text.size(); cut += 3) attempt(text.substr(0, cut));
  const std::string pieces[] = {"{",
                                "}",
                                "(",
                                ")",
                                "[",
                                "]",
                                ";",
                                ",",
                                ".",
                                "%",
                                "<999999999>",
                                "0x",
                                "-",
                                "!",
                                "@",
                                "\"",
                                "/*",
                                "\n",
                                ".b8",
                                ".align 4294967296",
                                "99999999999999999999",
                                "0f",
                                "::",
                                "_",
                                "$L1",
                                "f",
                                "%r2",
                                "l",
                                "s",
                                "c",
                                "p1",
                                "t",
                                ".v4",
                                "[1]",
                                "{{{{",
                                "= {",
                                "+"};
  for (int i = 0; i < 6000; ++i) {
    std::string damaged = text;
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % damaged.size(), length = random() % 12;
      switch (random() % 3) {
        case 0:
          damaged.erase(at, length);
          break;
        case 1:
          damaged.insert(at, pieces[random() % std::size(pieces)]);
          break;
        default:
          damaged.replace(at, length, pieces[random() % std::size(pieces)]);
          break;
      }
    }
    attempt(damaged);
  }
}

}  // namespace
}  // namespace emulator::test
