// Memory that nobody wrote, calls, and what lanes tell each other.
#include <cstring>

#include "definedness.hpp"

namespace emulator::test {
namespace {

TEST_F(Definedness, SharedAndLocalMemoryByTheByte) {
  const std::string s = ".shared .align 16 .b8 s[1024]; mov.u32 a, s; mad.lo.u32 a, t, 16, a;\n";
  const std::string l = ".local .align 16 .b8 l[64];\n";
  pairs({
      {s + "ld.shared.b32 d, [a];", s + "st.shared.b32 [a], t; ld.shared.b32 d, [a];"},
      {s + "st.shared.b16 [a], g; cvt.u16.u32 g, t; st.shared.b16 [a+2], g; ld.shared.b32 d, [a];",
       s + "cvt.u16.u32 g, t; st.shared.b16 [a], g; st.shared.b16 [a+2], g; ld.shared.b32 d, [a];"},
      {s + "st.shared.b32 [a], t; ld.shared.v2.b32 {b, d}, [a];",
       s + "st.shared.b32 [a], t; ld.shared.v2.b32 {d, b}, [a];"},
      {s + "cvt.u16.u32 g, t; st.shared.b8 [a+1], g; ld.shared.s16 d, [a]; shr.s32 d, d, 0;",
       s + "cvt.u16.u32 g, t; st.shared.b8 [a+1], g; ld.shared.s16 d, [a]; shr.s32 d, d, 8;"},
      {s + "cvt.u16.u32 g, t; st.shared.b8 [a], g; ld.shared.s16 d, [a]; shr.u32 d, d, 16;",
       s + "ld.shared.u16 d, [a]; shr.u32 d, d, 16;"},
      // Bits of one byte, as bit fields are written.
      {s + "ld.shared.u8 b, [a]; bfi.b32 b, t, b, 2, 3; cvt.u16.u32 g, b; st.shared.b8 [a], g; ld.shared.u8 b, [a]; "
           "bfe.u32 d, b, 1, 3;",
       s + "ld.shared.u8 b, [a]; bfi.b32 b, t, b, 2, 3; cvt.u16.u32 g, b; st.shared.b8 [a], g; ld.shared.u8 b, [a]; "
           "bfe.u32 d, b, 2, 3;"},
      {s + "st.shared.v4.b32 [a], {t, t, never, t}; ld.shared.b32 d, [a+8];",
       s + "st.shared.v4.b32 [a], {t, t, never, t}; ld.shared.b32 d, [a+12];"},
      {l + "ld.local.b32 d, [l+8];", l + "st.local.b32 [l+8], t; ld.local.b32 d, [l+8];"},
      {l + "st.local.b32 [l+8], t; ld.local.b32 d, [l+12];",
       l + "mov.u64 x, l; cvta.local.u64 x, x; st.b32 [x+12], t; ld.local.b32 d, [l+12];"},
      {l + "st.local.b64 [l], wide; ld.local.b32 d, [l+4];",
       l + "st.local.b64 [l], wide; st.local.b32 [l+4], t; ld.local.b32 d, [l+4];"},
  });
  caught(kernel(l + "ld.local.b32 d, [l+8];"), {"local memory at offset 0x8 that nobody wrote"});
  caught(kernel(s + "st.shared.v4.b32 [a], {t, t, never, t}; ld.shared.b32 d, [a+8];"), {"never was never written"});
}

TEST_F(Definedness, GlobalMemoryThatNobodyWrote) {
  const std::string text = kernel("mad.wide.u32 x, t, 4, in; ld.global.b32 d, [x];");
  ASSERT_FALSE(load(text));
  const std::uint64_t out = memory_.allocate(4096);
  const std::uint64_t in = memory_.allocate(4096);
  std::memset(reinterpret_cast<void*>(in), 0, 4096);
  for (const std::uint64_t bytes : {0u, 4u, 127u, 128u}) {
    memory_.mark_written(in, bytes);
    const auto fault = launch("k", Arguments().add(out).add(in));
    ASSERT_EQ(fault.has_value(), bytes < 128) << bytes << (fault ? fault->text() : "");
    if (!fault) continue;
    EXPECT_EQ(fault->kind, Fault::Kind::undefined);
    EXPECT_EQ(fault->thread[0], bytes == 127 ? 31u : bytes / 4);
    char address[32];
    std::snprintf(address, sizeof(address), "%#llx that nobody wrote", static_cast<unsigned long long>(in + bytes));
    EXPECT_NE(fault->text().find("global memory at " + std::string(address)), std::string::npos) << fault->text();
  }
  // What a kernel wrote the next one may read: here the bytes of `out`.
  EXPECT_FALSE(launch("k", Arguments().add(in).add(out)));
}

TEST_F(Definedness, Atomics) {
  const std::string s = ".shared .align 4 .b8 s[128]; mov.u32 a, s; mad.lo.u32 a, t, 4, a;\n";
  const std::string fresh = s + "st.shared.b32 [a], t;";
  const std::string unread = "mad.wide.u32 x, t, 4, out;";  // out was never written
  const std::string read = "mad.wide.u32 x, t, 4, in;";
  pairs({
      {s + "atom.shared.add.u32 d, [a], t;", fresh + "atom.shared.add.u32 d, [a], t;"},
      {fresh + "red.shared.add.u32 [a], never; ld.shared.b32 d, [a];",
       fresh + "red.shared.and.b32 [a], low; ld.shared.b32 d, [a]; and.b32 d, d, 0xFFFF;"},
      {s + "atom.shared.exch.b32 d, [a], t;", s + "atom.shared.exch.b32 b, [a], t; ld.shared.b32 d, [a];"},
      {fresh + "atom.shared.cas.b32 b, [a], never, t; ld.shared.b32 d, [a];",
       fresh + "atom.shared.cas.b32 b, [a], t, 5; ld.shared.b32 d, [a];"},
      {unread + "mov.b32 d, t; red.global.add.u32 [x], t;", read + "mov.b32 d, t; red.global.add.u32 [x], t;"},
      {read + "mov.b32 d, t; red.global.add.u32 [x], never;", read + "atom.global.add.u32 d, [x], t;"},
      {unread + "atom.global.exch.b32 d, [x], t;", unread + "atom.global.exch.b32 b, [x], t; mov.b32 d, t;"},
      {unread + "atom.global.cas.b32 b, [x], t, 3; mov.b32 d, t;", read + "atom.global.cas.b32 d, [x], t, 3;"},
  });
}

TEST_F(Definedness, AsynchronousCopiesBringWhatTheirSourceHas) {
  const std::string copy =
      ".shared .align 16 .b8 s[512]; mov.u32 a, s; mad.lo.u32 a, t, 16, a; mad.wide.u32 x, t, 16, in;\n"
      "cp.async.cg.shared.global [a], [x], 16; cp.async.commit_group;\n";
  caught(kernel(copy + "cp.async.wait_group 0; mad.wide.u32 x, t, 16, out; cp.async.cg.shared.global [a], [x], 16;\n"
                       "cp.async.wait_all; ld.shared.b32 d, [a];"),
         {"global memory at", "that nobody wrote, copied to shared memory"});
  passes(kernel(copy + "cp.async.wait_group 0; ld.shared.b32 d, [a];"));
  // What is cut off the source is 0, whatever lies there.
  passes(
      kernel(".shared .align 16 .b8 s[512]; mov.u32 a, s; mad.lo.u32 a, t, 16, a; mad.wide.u32 x, t, 16, out;\n"
             "mov.b32 b, 0; cp.async.cg.shared.global [a], [x], 16, b; cp.async.wait_all; ld.shared.b32 d, [a];"));
}

TEST_F(Definedness, FunctionsBeginWithNothing) {
  const std::string stale = R"(.func (.param .b32 r) f(.param .b32 n) {
.reg .b32 kept, n0; .reg .pred p; .local .align 4 .b8 l[8]; ld.param.b32 n0, [n]; setp.ne.u32 p, n0, 0; @p bra later;
mov.b32 kept, 5; st.local.b32 [l], kept;
later: ld.local.b32 n0, [l]; st.param.b32 [r], VALUE; ret; })";
  const auto with = [&](const std::string& value, const std::string& second) {
    std::string text = stale;
    text.replace(text.find("VALUE"), 5, value);
    return kernel(
        "{ .param .b32 x1; .param .b32 y1; st.param.b32 [x1], 0; call.uni (y1), f, (x1); ld.param.b32 d, [y1]; }\n"
        "{ .param .b32 x2; .param .b32 y2; st.param.b32 [x2], " +
            second + "; call.uni (y2), f, (x2); ld.param.b32 d, [y2]; }",
        text);
  };
  caught(with("kept", "1"), {"kept was never written"});
  passes(with("kept", "0"));
  caught(with("n0", "1"), {"local memory"});
  passes(with("n0", "0"));
  // An argument and a result carry it through.
  const std::string through =
      ".func (.param .b32 r) f(.param .b32 n) { .reg .b32 v; ld.param.b32 v, [n]; st.param.b32 [r], v; ret; }";
  const auto passing = [&](const std::string& value) {
    return kernel("{ .param .b32 x1; .param .b32 y1; st.param.b32 [x1], " + value +
                      "; call.uni (y1), f, (x1); ld.param.b32 d, [y1]; }",
                  through);
  };
  caught(passing("never"), {"never was never written"});
  passes(passing("t"));
}

// --- between lanes

TEST_F(Definedness, ShufflesTakeTheSourceLanesBits) {
  const std::string odd = "and.b32 a, t, 1; setp.eq.u32 p, a, 1; mov.b32 b, t; @p mov.b32 b, never;\n";
  pairs({
      {odd + "shfl.sync.bfly.b32 d, b, 1, 31, -1; selp.b32 d, t, d, p;",
       odd + "shfl.sync.bfly.b32 d, b, 1, 31, -1; selp.b32 d, d, t, p;"},
      {odd + "shfl.sync.idx.b32 d, b, 3, 31, -1;", odd + "shfl.sync.idx.b32 d, b, 4, 31, -1;"},
      {"shfl.sync.idx.b32 d, t, never, 31, -1;", "and.b32 c, never, 0; shfl.sync.idx.b32 d, t, c, 31, -1;"},
      {"setp.lt.u32 p, t, 16; mov.b32 d, t; @p shfl.sync.bfly.b32 d, t, 16, 31, 0xFFFF;",
       "setp.lt.u32 p, t, 16; mov.b32 d, t; @p shfl.sync.bfly.b32 d, t, 8, 31, 0xFFFF;"},
      // Lanes meet at two instructions of one kind.
      {odd + "@p bra odd; shfl.sync.bfly.b32 d, b, 1, 31, -1; bra.uni end;\nodd: shfl.sync.bfly.b32 d, b, 1, 31, -1; "
             "end:",
       odd + "@p bra odd; shfl.sync.bfly.b32 d, b, 2, 31, -1; bra.uni end;\nodd: shfl.sync.bfly.b32 d, b, 1, 31, -1; "
             "end:"},
  });
}

TEST_F(Definedness, VotesMatchesAndReductionsOfLanes) {
  // q is undefined in lane 3 alone; r4 too, r5 in its upper half.
  const std::string three =
      "setp.eq.u32 p, t, 3; mov.b32 r4, 1; @p mov.b32 r4, never; setp.ne.u32 q, r4, 0; mov.b32 r5, t; @p mov.b32 r5, "
      "low;\n";
  pairs({
      {three + "vote.sync.ballot.b32 d, q, -1;", three + "vote.sync.ballot.b32 d, q, -1; and.b32 d, d, 0xF7;"},
      {three + "vote.sync.all.pred q, q, -1; selp.b32 d, 1, 0, q;",
       three + "vote.sync.any.pred q, q, -1; selp.b32 d, 1, 0, q;"},
      {three + "mov.b32 d, t; vote.sync.all.pred q, q, -1; @q mov.b32 d, 1;",
       three + "vote.sync.uni.pred q, p, -1; selp.b32 d, 1, 0, q;"},
      {three + "match.any.sync.b32 d, r4, -1;",
       three + "match.any.sync.b32 d, r5, -1; and.b32 d, d, 0xF7; @p mov.b32 d, 0;"},
      {three + "redux.sync.add.u32 d, r4, -1;", three + "redux.sync.or.b32 d, r5, -1; and.b32 d, d, 0xFFFF;"},
      {three + "redux.sync.xor.b32 d, r5, -1;", three + "and.b32 r5, r5, 0xFF; redux.sync.xor.b32 d, r5, -1;"},
      {three + "redux.sync.or.b32 d, r5, -1;", three + "redux.sync.and.b32 d, r5, -1;"},  // lane 0 has only zeros
      {three + "setp.lt.u32 p, t, 8; mov.b32 d, t; @p redux.sync.add.u32 d, r4, 0xFF;",
       three + "setp.gt.u32 p, t, 7; mov.b32 d, t; @p redux.sync.add.u32 d, r4, 0xFFFFFF00;"},
  });
}

TEST_F(Definedness, MatrixOperands) {
  // Row group 1 of A (lanes 4 … 7) is undefined: so is row 1 of D, and nothing else.
  const std::string a = "mov.b32 r0, t; setp.ge.u32 p, t, 4; setp.lt.and.u32 p, t, 8, p; @p mov.b32 r0, never;\n";
  const std::string multiply =
      "mov.b32 f0, 0f00000000;\n"
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {f0, f1, f2, f3}, {r0, t, t, t}, {t, t}, {f0, f0, f0, f0};\n";
  const std::string keep = "mov.b32 d, f0; @p mov.b32 d, 0;";
  // Column group 1 of B: lanes 4 … 7 hold it, columns 2 j and 2 j + 1 of D lie in lanes with t = j.
  const std::string b =
      "mov.b32 f0, 0f00000000;\n"
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {f0, f1, f2, f3}, {t, t, t, t}, {r0, t}, {f0, f0, f0, f0};\n";
  const std::string first = "and.b32 e, t, 3; setp.eq.u32 q, e, 0; ";
  pairs({
      {a + multiply + "mov.b32 d, f0;", a + multiply + keep},
      {a + multiply + "mov.b32 d, f1;", a + multiply + "mov.b32 d, f2;"},  // row 9
      {a + b + first + "mov.b32 d, f1; @!q mov.b32 d, 0;", a + b + first + "mov.b32 d, f1; @q mov.b32 d, 0;"},
      {a + b + "mov.b32 d, f1;", a + b + "mov.b32 d, f0;"},
      // The addend by the element.
      {"mov.b32 f0, 0f00000000; mov.b32 f1, never; mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {f4, f5, f6, "
       "f7}, "
       "{t, t, t, t}, {t, t}, {f0, f1, f0, f0}; mov.b32 d, f5;",
       "mov.b32 f0, 0f00000000; mov.b32 f1, never; mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {f4, f5, f6, "
       "f7}, "
       "{t, t, t, t}, {t, t}, {f0, f1, f0, f0}; mov.b32 d, f4;"},
      // Whole numbers: what is multiplied with 0 does not matter.
      {"mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {d, e}, {t}, {never}, {t, t};",
       "mov.b32 a, 0; mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {d, e}, {a}, {never}, {t, t};"},
      {"movmatrix.sync.aligned.m8n8.trans.b16 a, low; shr.u32 d, a, 16;",
       "movmatrix.sync.aligned.m8n8.trans.b16 a, low; setp.ge.u32 p, t, 4; movmatrix.sync.aligned.m8n8.trans.b16 b, a; "
       "and.b32 d, b, 0xFFFF;"},
  });
}

TEST_F(Definedness, MatricesInSharedMemory) {
  // Row 3 of the matrix was never written: lanes 12 … 15 hold it, or, transposed, half 1 of the lanes with t = 1.
  const std::string rows =
      ".shared .align 16 .b8 s[512]; mov.u32 a, s; mad.lo.u32 a, t, 16, a; setp.ne.u32 p, t, 3;\n"
      "@p st.shared.v4.b32 [a], {t, t, t, t}; bar.sync 0; shr.u32 e, t, 2; setp.eq.u32 p, e, 3; and.b32 e, t, 3; "
      "setp.eq.u32 q, e, 1;\n";
  const std::string straight = "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {d}, [a];\n";
  const std::string transposed = "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {d}, [a];\n";
  const std::string store = "mov.b32 b, t; setp.eq.u32 p, t, 0; @p mov.b32 b, low;\n";  // half 1 of row 0
  const std::string stored = ".shared .align 16 .b8 s[512]; mov.u32 a, s; mad.lo.u32 a, t, 16, a;\n" + store;
  pairs({
      {rows + straight + "@q mov.b32 d, 0;", rows + straight + "@p mov.b32 d, 0;"},
      {rows + transposed + "@p mov.b32 d, 0;", rows + transposed + "@q mov.b32 d, 0;"},
      {rows + transposed + "shr.u32 d, d, 16;", rows + transposed + "and.b32 d, d, 0xFFFF;"},
      {stored + "stmatrix.sync.aligned.m8n8.x1.shared.b16 [a], {b}; bar.sync 0; mov.u32 a, s; ld.shared.u16 d, [a+2];",
       stored +
           "stmatrix.sync.aligned.m8n8.x1.shared.b16 [a], {b}; bar.sync 0; mov.u32 a, s; ld.shared.u16 d, [a+16];"},
      {stored + "stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [a], {b}; bar.sync 0; mov.u32 a, s; ld.shared.u16 d, "
                "[a+16];",
       stored + "stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [a], {b}; bar.sync 0; mov.u32 a, s; ld.shared.u16 d, "
                "[a+2];"},
  });
}

}  // namespace
}  // namespace emulator::test
