// Each rule by one instruction: a use that depends on bits that nobody wrote, beside one that does not.
#include "definedness.hpp"

namespace emulator::test {
namespace {

TEST_F(Definedness, MovesCarryIt) {
  pairs({
      {"mov.b32 d, never;", "mov.b32 d, t;"},
      {"mov.b32 a, never; mov.b32 b, a; mov.b32 d, b;", "mov.b32 a, never; mov.b32 a, t; mov.b32 d, a;"},
      {"mov.b64 x, {t, never}; mov.b64 {_, d}, x;", "mov.b64 x, {t, never}; mov.b64 {d, _}, x;"},
      {"cvt.u16.u32 h, t; mov.b32 a, {h, half}; shr.u32 d, a, 16;",
       "cvt.u16.u32 h, t; mov.b32 a, {h, half}; cvt.u16.u32 g, a; cvt.u32.u16 d, g;"},
      {"cvt.u32.u16 d, half;", "cvt.u16.u32 h, low; cvt.u32.u16 d, h;"},
      {"cvt.s32.s8 d, never;", "cvt.s32.s8 d, low;"},
      {"cvt.u64.u32 x, high; cvt.u32.u64 d, x;", "cvt.u64.u32 x, never; shr.u64 x, x, 32; cvt.u32.u64 d, x;"},
      {"cvt.s64.s32 x, never; shr.u64 x, x, 32; cvt.u32.u64 d, x;",
       "cvt.s64.s32 x, high; shr.u64 x, x, 32; cvt.u32.u64 d, x;"},
      {"prmt.b32 d, low, 0, 0x0123;", "prmt.b32 d, low, 0, 0x4510;"},
      {"prmt.b32 d, low, t, 0x444A;", "prmt.b32 d, high, t, 0x444B;"},
  });
}

TEST_F(Definedness, ShiftsAndFieldsMoveBits) {
  pairs({
      {"shl.b32 d, low, 8;", "shl.b32 d, low, 16;"},
      {"shr.u32 d, high, 8;", "shr.u32 d, high, 16;"},
      {"shr.u32 d, low, 16;", "shr.s32 d, high, 16;"},
      {"shl.b32 d, t, never;", "and.b32 a, never, 0; shl.b32 d, t, a;"},
      {"bfe.u32 d, low, 15, 2;", "bfe.u32 d, low, 3, 13;"},
      {"bfe.s32 d, high, 3, 13;", "bfe.s32 d, low, 3, 13;"},
      {"bfe.u32 d, t, 3, never;", "bfe.u32 d, never, 3, 0;"},
      {"bfi.b32 d, never, t, 3, 5;", "bfi.b32 d, t, never, 0, 32;"},
      {"bfi.b32 d, t, high, 0, 8;", "bfi.b32 d, t, high, 0, 16;"},
      {"shf.l.wrap.b32 d, low, high, 8;", "shf.l.wrap.b32 d, high, low, 16;"},
      {"shf.r.wrap.b32 d, low, high, 8;", "shf.r.wrap.b32 d, high, low, 16;"},
      {"brev.b32 a, low; and.b32 d, a, 0xFFFF;", "brev.b32 a, low; shr.u32 d, a, 16;"},
      {"szext.wrap.u32 d, low, 17;", "szext.wrap.s32 d, low, 16;"},
  });
}

TEST_F(Definedness, LogicIsDecidedByDefinedBits) {
  pairs({
      {"and.b32 d, never, 1;", "and.b32 d, never, 0;"},
      {"and.b32 d, low, 0x1FFFF;", "and.b32 d, low, 0xFFFF;"},
      {"or.b32 d, never, 0x7FFFFFFF;", "or.b32 d, never, 0xFFFFFFFF;"},
      {"or.b32 d, high, 0x7FFF;", "or.b32 d, high, 0xFFFF;"},
      {"xor.b32 d, never, t;", "xor.b32 d, never, never;"},
      {"not.b32 d, low;", "not.b32 a, low; and.b32 d, a, 0xFFFF;"},
      {"lop3.b32 d, never, t, 0, 0xFE;", "lop3.b32 d, never, t, 0, 0xCC;"},  // a | b | c; b
      {"lop3.b32 d, never, t, 0, 0xEA;", "lop3.b32 d, never, 0, t, 0xEA;"},  // (a & b) | c
      {"cnot.b32 d, never;", "or.b32 a, never, 4; cnot.b32 d, a;"},
  });
}

TEST_F(Definedness, SumsCarryUpwardsOnly) {
  pairs({
      {"add.u32 d, low, 1;", "add.u32 a, low, 1; and.b32 d, a, 0xFFFF;"},
      {"add.u32 a, high, 1; shr.u32 d, a, 16;", "add.u32 a, low, t; cvt.u16.u32 h, a; cvt.u32.u16 d, h;"},
      {"sub.u32 a, high, 1; shr.u32 d, a, 16;", "sub.u32 a, t, low; and.b32 d, a, 0xFFFF;"},
      {"sub.u32 d, never, t;", "sub.u32 d, never, never;"},
      {"neg.s32 d, low;", "neg.s32 a, low; and.b32 d, a, 0xFFFF;"},
      {"mul.lo.u32 a, high, 3; shr.u32 d, a, 16;", "mul.lo.u32 a, low, 3; and.b32 d, a, 0xFFFF;"},
      {"mul.lo.u32 d, never, t;", "mul.lo.u32 d, never, 0;"},
      {"mul.hi.u32 d, low, 3;", "mul.hi.u32 d, low, 0;"},
      {"mul.wide.u32 x, never, 2; cvt.u32.u64 d, x;", "mul.wide.u32 x, never, 0; cvt.u32.u64 d, x;"},
      {"mad.lo.u32 d, never, 0, low;", "mad.lo.u32 d, never, 0, t;"},
      {"add.cc.u32 a, never, t; addc.u32 d, t, t;", "add.cc.u32 a, t, t; addc.u32 d, t, t;"},
      {"div.u32 d, t, never;", "or.b32 a, t, 1; div.u32 d, t, a;"},
      {"min.u32 d, never, t;", "min.u32 d, t, 7;"},
      {"popc.b32 d, low;", "and.b32 a, low, 0xFF; popc.b32 d, a;"},
  });
}

TEST_F(Definedness, FloatsAndHalves) {
  pairs({
      {"cvt.rn.f32.u32 f0, t; mov.b32 f1, never; mul.rn.f32 f0, f1, 0f00000000; mov.b32 d, f0;",
       "cvt.rn.f32.u32 f0, t; mul.rn.f32 f0, f0, 0f00000000; mov.b32 d, f0;"},
      {"mov.b32 f1, never; fma.rn.f32 f0, f1, f1, f1; mov.b32 d, f0;",
       "mov.b32 f1, t; fma.rn.f32 f0, f1, f1, f1; mov.b32 d, f0;"},
      {"add.rn.f16x2 a, low, t; shr.u32 d, a, 16;", "add.rn.f16x2 a, low, t; and.b32 d, a, 0xFFFF;"},
      {"fma.rn.bf16x2 a, high, t, t; and.b32 d, a, 0xFFFF;", "fma.rn.bf16x2 a, high, t, t; shr.u32 d, a, 16;"},
      {"mov.b32 f0, t; mov.b32 f1, never; cvt.rn.f16x2.f32 a, f1, f0; shr.u32 d, a, 16;",
       "mov.b32 f0, t; mov.b32 f1, never; cvt.rn.f16x2.f32 a, f1, f0; and.b32 d, a, 0xFFFF;"},
      {"mov.b32 f0, never; ex2.approx.f32 f1, f0; mov.b32 d, f1;",
       "mov.b32 f0, t; ex2.approx.f32 f1, f0; mov.b32 d, f1;"},
  });
}

TEST_F(Definedness, ComparisonsAndSelections) {
  pairs({
      {"setp.eq.u32 p, never, t; selp.b32 d, 1, 2, p;", "setp.eq.u32 p, never, t; selp.b32 d, 1, 1, p;"},
      {"setp.eq.u32 p, low, 5; selp.b32 d, 1, 2, p;",
       "or.b32 a, low, 1; setp.eq.u32 p, a, 4; selp.b32 d, 1, 2, p;"},  // bit 0 decides
      {"setp.lt.s32 p, low, 0; selp.b32 d, 1, 2, p;", "setp.lt.s32 p, high, 0; selp.b32 d, 1, 2, p;"},
      {"setp.gt.u32 p, low, 70000; selp.b32 d, 1, 2, p;", "setp.gt.u32 p, high, 0x7FFFFFFF; selp.b32 d, 1, 2, p;"},
      {"setp.lt.u32 p, t, 99; selp.b32 d, never, t, p;", "setp.lt.u32 p, t, 99; selp.b32 d, t, never, p;"},
      {"setp.lt.and.u32 p, never, t, unknown; selp.b32 d, 1, 2, p;",
       "setp.gt.u32 q, t, 99; setp.lt.and.u32 p, never, t, q; selp.b32 d, 1, 2, p;"},
      {"setp.gt.u32 q, t, 99; setp.lt.or.u32 p, never, t, q; selp.b32 d, 1, 2, p;",
       "setp.lt.u32 q, t, 99; setp.lt.or.u32 p, never, t, q; selp.b32 d, 1, 2, p;"},
      {"setp.lt.u32 q, t, 99; setp.lt.and.u32 p, t, 50, unknown; selp.b32 d, 1, 2, p;",
       "setp.lt.u32 q, t, 99; setp.gt.and.u32 p, t, 50, unknown; selp.b32 d, 1, 2, p;"},
      {"setp.lt.u32 q, t, 99; and.pred p, q, unknown; selp.b32 d, 1, 2, p;",
       "setp.gt.u32 q, t, 99; and.pred p, q, unknown; selp.b32 d, 1, 2, p;"},
      {"setp.gt.u32 q, t, 99; or.pred p, unknown, q; selp.b32 d, 1, 2, p;",
       "setp.lt.u32 q, t, 99; or.pred p, unknown, q; selp.b32 d, 1, 2, p;"},
      {"not.pred p, unknown; selp.b32 d, 1, 2, p;", "xor.pred p, unknown, unknown; selp.b32 d, 1, 2, p;"},
      {"set.lt.u32.u32 d, never, t;", "set.lt.u32.u32 a, never, t; and.b32 d, a, 0;"},
      {"mov.b32 a, low; slct.b32.s32 d, t, 1, a;", "mov.b32 a, high; slct.b32.s32 d, t, never, a;"},
      {"mov.b32 f0, never; setp.lt.f32 p, f0, f0; selp.b32 d, 1, 2, p;",
       "mov.b32 f0, t; setp.lt.f32 p, f0, f0; selp.b32 d, 1, 2, p;"},
  });
}

// --- where it matters

TEST_F(Definedness, WhatControlHangsOn) {
  caught(kernel("mov.b32 d, t; @unknown bra over; mov.b32 d, 1;\nover:"),
         {"decides a branch", "unknown was never written"});
  caught(kernel("setp.lt.u32 p, never, 5;\nmov.b32 d, t; @p bra over; mov.b32 d, 1;\nover:"),
         {"decides a branch", "never was never written"});
  caught(kernel("mov.b32 d, t; @!unknown add.u32 d, d, 1;"), {"decides whether", "unknown was never written"});
  passes(kernel("mov.b32 d, t; setp.lt.u32 p, t, 99; @!p mov.b32 d, never;"));
  caught(kernel("mov.b32 d, t; setp.lt.u32 p, t, 7; @p mov.b32 d, never;"), {"never was never written"});
  // An undefined predicate that nothing hangs on.
  passes(kernel("mov.b32 d, t; setp.lt.u32 p, never, 5;"));
  caught(kernel("list: .branchtargets one, two; mov.b32 d, t; brx.idx never, list; one: two:"), {"decides a branch"});
  caught(kernel("mov.b32 d, t; bar.sync never;"), {"names a barrier"});
  caught(kernel("mov.b32 d, t; bar.warp.sync never;"), {"member mask"});
  caught(kernel("shfl.sync.bfly.b32 d, t, 1, 31, never;"), {"member mask"});
  caught(kernel("mov.b32 d, t; bar.red.and.pred p, 0, unknown;"), {"reduced over the block"});
}

TEST_F(Definedness, WhatAnMbarrierHangsOn) {
  const std::string object = ".shared .align 8 .b8 s[8]; mov.b32 d, t; setp.eq.u32 p, t, 0; mov.u32 a, s;\n";
  passes(kernel(object + "@p mbarrier.init.shared.b64 [a], 1;"));
  caught(kernel(object + "mbarrier.init.shared.b64 [never], 1;"), {"forms an address"});
  caught(kernel(object + "@p mbarrier.init.shared.b64 [a], never;"), {"tells an mbarrier what to do"});
}

TEST_F(Definedness, WhatFormsAnAddress) {
  caught(kernel("ld.global.b32 d, [wide];"), {"wide, which is undefined, forms an address", "wide was never written"});
  caught(kernel("mad.wide.u32 x, never, 4, in; ld.global.b32 d, [x];"), {"never was never written"});
  caught(kernel("mov.b32 d, t; st.global.b32 [wide], t;"), {"forms an address"});
  caught(kernel("atom.global.add.u32 d, [wide], 1;"), {"forms an address"});
  caught(kernel(".shared .b32 s[32]; ld.shared.b32 d, [never];"), {"forms an address"});
  caught(
      kernel(".shared .align 16 .b8 s[512]; mov.b32 d, t; mov.b32 a, s; cp.async.cg.shared.global [never], [in], 16;"),
      {"forms an address"});
  caught(kernel(".shared .align 16 .b8 s[512]; mov.b32 d, t; mov.b32 a, s; cp.async.cg.shared.global [a], [wide], 16;"),
         {"forms an address"});
  caught(
      kernel(
          ".shared .align 16 .b8 s[512]; mov.b32 d, t; mov.b32 a, s; cp.async.cg.shared.global [a], [in], 16, never;"),
      {"how much is copied"});
  caught(kernel(".shared .align 16 .b8 s[512]; mov.u32 a, s; mov.b32 d, t;\n"
                "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {r0}, [never];"),
         {"forms an address"});
  // Lanes above 7 hold no address of an x1.
  passes(
      kernel(".shared .align 16 .b8 s[512]; mov.u32 a, s; mad.lo.u32 b, t, 16, a; st.shared.v4.b32 [b], {t, t, t, t};"
             " bar.sync 0; setp.gt.u32 p, t, 7; @p mov.b32 b, never;\n"
             "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {d}, [b];"));
}

TEST_F(Definedness, FaultsNameThePlaceAndTheOrigin) {
  // Line 9 of the text is the first of the body.
  const auto fault = [&] {
    schedule_ = 3;
    return outcome(
        kernel(".shared .b32 s[32];\nmov.u32 a, s; mad.lo.u32 a, t, 4, a;\nsetp.ne.u32 p, t, 5;\n"
               "@p st.shared.b32 [a], t;\nld.shared.b32 d, [a];"));
  }();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::undefined);
  EXPECT_EQ(fault->kernel, "k");
  EXPECT_EQ(fault->thread, (std::array<unsigned, 3>{5, 0, 0}));
  EXPECT_EQ(fault->instruction, "st.global.b32 [at], d;");
  ASSERT_EQ(fault->related.size(), 1u);
  EXPECT_EQ(fault->related[0].instruction, "ld.shared.b32 d, [a];");
  EXPECT_EQ(fault->related[0].line, fault->line - 1);
  EXPECT_NE(fault->text().find("shared memory at offset 0x14 that nobody wrote"), std::string::npos) << fault->text();
  EXPECT_NE(fault->text().find("d, which is undefined, reaches global memory"), std::string::npos) << fault->text();
}

}  // namespace
}  // namespace emulator::test
