// Barriers, asynchronous copies, atomics, spaces, schedules: what the threads of a block and of a grid share.
#include <set>

#include "machine.hpp"

namespace emulator::test {
namespace {

using Blocks = Machine;

/// A kernel with parameters pin and pout and some registers; `body` ends the kernel.
std::string kernel(const std::string& body, const std::string& target = "sm_80") {
  return ".version 8.4\n.target " + target + "\n.address_size 64\n" +
         R"(.visible .entry kernel(.param .u64 pin, .param .u64 pout) {
.reg .b64 in, out, at, x, y; .reg .b32 t, a, b, c, d, s, i; .reg .b16 h; .reg .f32 f; .reg .pred p, q;
ld.param.u64 in, [pin]; ld.param.u64 out, [pout]; mov.u32 t, %tid.x;
)" + body +
         "\n}\n";
}

TEST_F(Blocks, BarriersOrderSharedMemoryUnderEverySchedule) {
  // Thread t writes cell t and reads cell (t + 37) % 128, five times over; any missing wait shows in some schedule.
  const std::string text = kernel(R"(.shared .align 4 .b8 cells[512];
mov.u32 s, cells; mov.u32 a, t; mov.u32 i, 0; add.u32 b, t, 37; and.b32 b, b, 127; mad.lo.u32 b, b, 4, s; mad.lo.u32 c, t, 4, s;
loop: st.shared.b32 [c], a; bar.sync 0; ld.shared.b32 d, [b]; bar.sync 0; mad.lo.u32 a, d, 3, t;
add.u32 i, i, 1; setp.lt.u32 p, i, 5; @p bra loop;
mad.wide.u32 at, t, 4, out; st.global.b32 [at], a; ret;)");
  std::vector<std::uint32_t> wanted(128);
  for (std::uint32_t t = 0; t < 128; ++t) wanted[t] = t;
  for (int i = 0; i < 5; ++i) {
    const auto before = wanted;
    for (std::uint32_t t = 0; t < 128; ++t) wanted[t] = before[(t + 37) % 128] * 3 + t;
  }
  block_ = {128, 1, 1};
  for (schedule_ = 0; schedule_ < 50; ++schedule_) {
    std::uint32_t* out = poisoned<std::uint32_t>(128);
    run(text, "kernel", Arguments().add(nullptr).add(out));
    ASSERT_EQ(std::vector<std::uint32_t>(out, out + 128), wanted) << "schedule " << schedule_;
  }
}

TEST_F(Blocks, AMissingBarrierShowsInSomeSchedule) {
  const std::string text = kernel(R"(.shared .align 4 .b8 cells[512];
mov.u32 s, cells; mad.lo.u32 c, t, 4, s; st.shared.b32 [c], t; xor.b32 b, t, 64; mad.lo.u32 b, b, 4, s;
ld.shared.b32 d, [b]; mad.wide.u32 at, t, 4, out; st.global.b32 [at], d; ret;)");
  block_ = {128, 1, 1};
  strict_ = false;  // which stops at the race
  std::set<std::vector<std::uint32_t>> seen;
  for (schedule_ = 0; schedule_ < 30; ++schedule_) {
    std::uint32_t* out = poisoned<std::uint32_t>(128);
    run(text, "kernel", Arguments().add(nullptr).add(out));
    seen.emplace(out, out + 128);
  }
  EXPECT_GT(seen.size(), 3u) << "schedules differ, and what was not waited for is poison";
}

TEST_F(Blocks, TheSameSeedGivesTheSameSchedule) {
  // Warps append themselves to a list; its order is the schedule.
  const std::string text = kernel(R"(.shared .align 4 .b8 next[4];
mov.u32 a, 0; st.shared.b32 [next], a; bar.sync 0; and.b32 b, t, 31; setp.ne.u32 p, b, 0; @p exit; mov.u32 i, 0;
loop: atom.shared.add.u32 a, [next], 1; mad.wide.u32 at, a, 4, out; st.global.b32 [at], t;
add.u32 i, i, 1; setp.lt.u32 p, i, 50; @p bra loop; ret;)");
  block_ = {256, 1, 1};
  const auto order = [&](std::uint64_t seed) {
    schedule_ = seed;
    std::uint32_t* out = poisoned<std::uint32_t>(400);
    run(text, "kernel", Arguments().add(nullptr).add(out));
    return std::vector<std::uint32_t>(out, out + 400);
  };
  EXPECT_EQ(order(7), order(7));
  EXPECT_NE(order(7), order(8));
}

TEST_F(Blocks, NamedBarriersPassDataBetweenWarps) {
  // Warp 0 fills, arrives and goes on; warp 1 waits for it; warp 2 and 3 never take part.
  const std::string text = kernel(R"(.shared .align 4 .b8 cells[128];
mov.u32 s, cells; shr.u32 a, t, 5; and.b32 b, t, 31; mad.lo.u32 c, b, 4, s; mov.u32 d, 0;
setp.gt.u32 p, a, 1; @p bra end; setp.eq.u32 p, a, 1; @p bra consume;
st.shared.b32 [c], t; bar.arrive 3, 64; bra end;
consume: bar.sync 3, 64; ld.shared.b32 d, [c];
end: mad.wide.u32 at, t, 4, out; st.global.b32 [at], d; ret;)");
  block_ = {128, 1, 1};
  for (schedule_ = 0; schedule_ < 20; ++schedule_) {
    std::uint32_t* out = poisoned<std::uint32_t>(128);
    run(text, "kernel", Arguments().add(nullptr).add(out));
    for (std::uint32_t t = 0; t < 128; ++t) ASSERT_EQ(out[t], t / 32 == 1 ? t - 32 : 0) << t;
  }
}

TEST_F(Blocks, BarrierReductions) {
  const std::string text = kernel(R"(setp.lt.u32 p, t, 40;
bar.red.popc.u32 a, 0, p; bar.red.and.pred q, 0, p; selp.b32 b, 1, 0, q; bar.red.or.pred q, 0, !p; selp.b32 c, 1, 0, q;
mad.wide.u32 at, t, 16, out; st.global.v4.b32 [at], {a, b, c, t}; ret;)");
  block_ = {100, 1, 1};
  std::uint32_t* out = poisoned<std::uint32_t>(400);
  run(text, "kernel", Arguments().add(nullptr).add(out));
  for (std::uint32_t t = 0; t < 100; ++t) {
    ASSERT_EQ(out[4 * t], 40u);
    ASSERT_EQ(out[4 * t + 1], 0u);
    ASSERT_EQ(out[4 * t + 2], 1u);
  }
}

TEST_F(Blocks, ThreadsThatExitedAreNotWaitedFor) {
  const std::string text =
      kernel(R"(setp.ge.u32 p, t, 70; @p exit; bar.sync 0; mad.wide.u32 at, t, 4, out; st.global.b32 [at], t; ret;)");
  block_ = {128, 1, 1};
  std::uint32_t* out = poisoned<std::uint32_t>(128);
  run(text, "kernel", Arguments().add(nullptr).add(out));
  EXPECT_EQ(out[69], 69u);
  EXPECT_EQ(out[70], ~0u);
}

/// Two groups of copies; the destination is read before any wait, after wait_group 1 and after wait_group 0.
TEST_F(Blocks, AsynchronousCopiesLandWhenWaitedFor) {
  const std::string text = kernel(R"(.shared .align 16 .b8 box[2048];
mov.u32 s, box; mad.lo.u32 s, t, 32, s; mad.wide.u32 at, t, 32, in; mov.u32 a, 0; st.shared.b32 [s], a; st.shared.b32 [s+16], a;
cp.async.cg.shared.global [s], [at], 16; cp.async.commit_group;
cp.async.ca.shared.global [s+16], [at+16], 4; cp.async.ca.shared.global [s+24], [at+24], 8; cp.async.commit_group;
ld.shared.b32 a, [s]; ld.shared.b32 b, [s+16]; mad.wide.u32 x, t, 24, out; st.global.v2.b32 [x], {a, b};
cp.async.wait_group 1; ld.shared.b32 a, [s]; ld.shared.b32 b, [s+16]; st.global.v2.b32 [x+8], {a, b};
cp.async.wait_group 0; ld.shared.b32 a, [s+28]; ld.shared.b32 b, [s+16]; st.global.v2.b32 [x+16], {a, b}; ret;)");
  strict_ = false;  // which stops at the first look at what is in flight
  std::vector<std::uint32_t> in(256);
  for (std::uint32_t i = 0; i < 256; ++i) in[i] = i + 1000;
  std::uint32_t* out = poisoned<std::uint32_t>(192);
  run(text, "kernel", Arguments().add(buffer(in)).add(out));
  for (std::uint32_t t = 0; t < 32; ++t) {
    const std::uint32_t* o = out + 6 * t;
    EXPECT_EQ(o[0], ~0u) << "in flight: poison";
    EXPECT_EQ(o[1], ~0u);
    EXPECT_EQ(o[2], 1000 + 8 * t) << "the first group has landed";
    EXPECT_EQ(o[3], ~0u) << "the second has not";
    EXPECT_EQ(o[4], 1000 + 8 * t + 7);
    EXPECT_EQ(o[5], 1000 + 8 * t + 4);
  }
}

TEST_F(Blocks, AsynchronousCopiesFillWithZeroAndIgnore) {
  const std::string text = kernel(R"(.shared .align 16 .b8 box[1024];
mov.u32 s, box; mad.lo.u32 s, t, 32, s; mad.wide.u32 at, t, 16, in; and.b32 a, t, 15; setp.lt.u32 p, t, 16;
cp.async.cg.shared.global [s], [at], 16, a; cp.async.ca.shared.global [s+16], [at], 16, p;
cp.async.wait_all; ld.shared.v2.b64 {x, y}, [s]; mad.wide.u32 at, t, 32, out; st.global.v2.b64 [at], {x, y};
ld.shared.v2.b64 {x, y}, [s+16]; st.global.v2.b64 [at+16], {x, y}; ret;)");
  std::vector<std::uint8_t> in(512);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(i * 7 + 1);
  std::uint8_t* out = poisoned<std::uint8_t>(1024);
  run(text, "kernel", Arguments().add(buffer(in)).add(out));
  for (std::size_t t = 0; t < 32; ++t) {
    for (std::size_t i = 0; i < 16; ++i) {
      ASSERT_EQ(out[t * 32 + i], i < t % 16 ? in[t * 16 + i] : 0) << t << ", " << i;
      ASSERT_EQ(out[t * 32 + 16 + i], t < 16 ? 0 : in[t * 16 + i]) << "ignored sources are zeros";
    }
  }
}

/// A device begins blocks in some order and keeps several of them going: one that waits for a lower one comes to its
/// end.
TEST_F(Blocks, WaitForLowerBlocksThatBeginLater) {
  const std::string text = ptx_of(R"(extern "C" __global__ void chain(volatile unsigned* in, unsigned*) {
  if (threadIdx.x == 0) {
    unsigned before = 1;
    if (blockIdx.x > 0) { do before = in[blockIdx.x - 1]; while (before == 0); }
    __threadfence();
    in[blockIdx.x] = before + blockIdx.x;
  } })");
  grid_ = {60, 1, 1};
  for (schedule_ = 0; schedule_ < 4; ++schedule_) {
    host_threads_ = 1 + static_cast<int>(schedule_ % 2);
    std::uint32_t* cells = buffer(std::vector<std::uint32_t>(60, 0));
    run(text, "chain", Arguments().add(cells).add(nullptr));
    for (std::uint32_t i = 0; i < 60; ++i) ASSERT_EQ(cells[i], 1 + i * (i + 1) / 2) << "schedule " << schedule_;
    EXPECT_EQ(statistics_.blocks, 60u);
  }
}

TEST_F(Blocks, AtomicsAddUpAcrossBlocks) {
  const std::string text = kernel(R"(mov.u32 a, %ctaid.x; mad.lo.u32 a, a, 64, t; mov.u32 b, 1;
red.global.add.u32 [in], 1; atom.global.max.s32 c, [in+4], a; atom.global.min.u32 c, [in+8], a; red.global.xor.b32 [in+12], a;
atom.global.inc.u32 c, [in+16], 99; mov.f32 f, 0f3F800000; red.global.add.f32 [in+20], f;
again: ld.global.b64 x, [in+24]; add.u64 y, x, 3; atom.global.cas.b64 at, [in+24], x, y; setp.ne.u64 p, at, x; @p bra again;
atom.global.exch.b32 c, [in+32], 5; red.global.add.noftz.f16x2 [in+36], 0x3C003C00; ret;)");
  grid_ = {20, 1, 1};
  block_ = {64, 1, 1};
  std::vector<std::uint32_t> cells(10, 0);
  cells[2] = 5000;
  std::uint32_t* at = buffer(cells);
  run(text, "kernel", Arguments().add(at).add(nullptr));
  std::uint32_t all = 0;
  for (std::uint32_t i = 0; i < 1280; ++i) all ^= i;
  EXPECT_EQ(at[0], 1280u);
  EXPECT_EQ(at[1], 1279u);
  EXPECT_EQ(at[2], 0u);
  EXPECT_EQ(at[3], all);
  EXPECT_EQ(at[4], 1280u % 100);
  float sum;
  std::memcpy(&sum, at + 5, 4);
  EXPECT_EQ(sum, 1280.0f);
  EXPECT_EQ(at[6], 1280u * 3);
  EXPECT_EQ(at[8], 5u);
  EXPECT_EQ(at[9], 0x65006500u) << "1280 in each half";
}

TEST_F(Blocks, VectorsWidthsAndSigns) {
  const std::string text =
      kernel(R"(ld.global.s8 a, [in]; ld.global.u8 b, [in]; ld.global.s16 c, [in+2]; ld.global.u16 h, [in+2];
cvt.u32.u16 d, h; st.global.v4.b32 [out], {a, b, c, d}; ld.global.s8 x, [in]; st.global.b64 [out+16], x;
ld.global.v4.u8 {a, b, c, d}, [in+4]; st.global.v4.u8 [out+24], {d, c, b, a}; ld.global.v2.b64 {x, y}, [in+16];
st.global.v2.b64 [out+32], {y, x}; st.global.u16 [out+48], a; ld.global.v2.f32 {f, _}, [in+8]; st.global.f32 [out+52], f; ret;)");
  block_ = {1, 1, 1};
  std::vector<std::uint8_t> in(32);
  for (std::size_t i = 0; i < 32; ++i) in[i] = static_cast<std::uint8_t>(0x80 + 3 * i);
  auto* out = poisoned<std::uint8_t>(56);
  run(text, "kernel", Arguments().add(buffer(in)).add(out));
  const auto word = [&](std::size_t at) {
    std::uint32_t v;
    std::memcpy(&v, out + at, 4);
    return v;
  };
  EXPECT_EQ(word(0), 0xFFFFFF80u);
  EXPECT_EQ(word(4), 0x80u);
  EXPECT_EQ(word(8), 0xFFFF8986u);
  EXPECT_EQ(word(12), 0x8986u);
  EXPECT_EQ(word(16), 0xFFFFFF80u);
  EXPECT_EQ(word(20), ~0u);
  for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(out[24 + k], in[7 - k]);
  EXPECT_EQ(std::memcmp(out + 32, in.data() + 24, 8), 0);
  EXPECT_EQ(std::memcmp(out + 40, in.data() + 16, 8), 0);
  EXPECT_EQ(out[50], 0xFF) << "a 16-bit store leaves the rest alone";
  EXPECT_EQ(std::memcmp(out + 52, in.data() + 8, 4), 0);
}

TEST_F(Blocks, SpecialRegistersAndDimensions) {
  const std::string text =
      kernel(R"(mov.u32 a, %ctaid.y; mov.u32 b, %nctaid.x; mad.lo.u32 a, a, b, t; mov.u32 a, %tid.z;
mov.u32 b, %ntid.y; mov.u32 c, %tid.y; mad.lo.u32 a, a, b, c; mov.u32 b, %ntid.x; mad.lo.u32 a, a, b, t;
mov.u32 c, %warpid; mov.u32 d, %laneid; mad.lo.u32 c, c, 32, d; mov.u32 d, %ctaid.x; mov.u32 i, %ctaid.y; mad.lo.u32 d, i, 3, d;
mad.lo.u32 i, d, 60, a; mad.wide.u32 at, i, 8, out; st.global.v2.b32 [at], {a, c}; ret;)");
  grid_ = {3, 2, 1};
  block_ = {5, 4, 3};
  std::uint32_t* out = poisoned<std::uint32_t>(720);
  run(text, "kernel", Arguments().add(nullptr).add(out));
  for (std::uint32_t i = 0; i < 360; ++i) {
    ASSERT_EQ(out[2 * i], i % 60);
    ASSERT_EQ(out[2 * i + 1], i % 60) << "lanes follow the flat thread index";
  }
  EXPECT_EQ(statistics_.blocks, 6u);
}

TEST_F(Blocks, SharedAndLocalMemoryAreFreshAndGenericAddressesFindThem) {
  const std::string text = header() + R"(.extern .shared .align 16 .b8 dynamic[];
.shared .align 4 .b8 fixed[64];
.visible .entry kernel(.param .u64 pout) {
.local .align 8 .b8 mine[16]; .reg .b64 out, l, g; .reg .b32 a, b, c, d, t; .reg .pred p;
ld.param.u64 out, [pout]; mov.u32 t, %tid.x;
ld.shared.b32 a, [dynamic+60]; mov.u64 l, mine; cvta.local.u64 l, l; ld.b32 b, [l+4]; st.b32 [l+8], t; ld.local.b32 c, [mine+8];
mov.u64 g, fixed; cvta.shared.u64 g, g; mad.wide.u32 g, t, 4, g; st.b32 [g], t; isspacep.shared p, g; cvta.to.shared.u64 g, g;
ld.shared.b32 d, [g]; @!p mov.u32 d, 12345;
mad.wide.u32 g, t, 16, out; st.v4.b32 [g], {a, b, c, d}; ret; })";
  strict_ = false;  // which refuses to store what nobody wrote
  block_ = {16, 1, 1};
  dynamic_shared_ = 64;
  std::uint32_t* out = poisoned<std::uint32_t>(64);
  run(text, "kernel", Arguments().add(out));
  for (std::uint32_t t = 0; t < 16; ++t) {
    EXPECT_EQ(out[4 * t], ~0u);
    EXPECT_EQ(out[4 * t + 1], ~0u);
    EXPECT_EQ(out[4 * t + 2], t);
    EXPECT_EQ(out[4 * t + 3], t);
  }
}

TEST_F(Blocks, VariablesHaveTheirInitialValues) {
  const std::string text = header() + R"(.const .align 4 .b8 bytes[8] = {1, 2, 255, 4};
.global .align 8 .u64 link = table+8;
.global .align 4 .f32 table[4] = {0f3F800000, 2.5, 0f40400000};
.visible .entry kernel(.param .u64 pout) { .reg .b64 out, l; .reg .b32 a, b, c, d;
ld.param.u64 out, [pout]; ld.const.u32 a, [bytes]; ld.global.u64 l, [link]; ld.global.b32 b, [l]; ld.global.b32 c, [table+4];
ld.global.b32 d, [table+12]; st.global.v4.b32 [out], {a, b, c, d}; ret; })";
  block_ = {1, 1, 1};
  std::uint32_t* out = poisoned<std::uint32_t>(4);
  run(text, "kernel", Arguments().add(out));
  EXPECT_EQ(out[0], 0x04FF0201u);
  EXPECT_EQ(out[1], 0x40400000u);
  EXPECT_EQ(out[2], 0x40200000u);
  EXPECT_EQ(out[3], 0u);
}

TEST_F(Blocks, StatisticsCountWhatTheKernelDid) {
  const std::string text = kernel(
      R"(mad.wide.u32 at, t, 8, in; ld.global.v2.b32 {a, b}, [at]; .shared .align 8 .b8 box[512]; mov.u32 s, box; mad.lo.u32 s, t, 8, s;
st.shared.v2.b32 [s], {a, b}; setp.lt.u32 p, t, 10; @p ld.shared.b32 c, [s]; @p mad.wide.u32 at, t, 4, out; @p st.global.b32 [at], c; ret;)");
  block_ = {64, 1, 1};
  grid_ = {3, 1, 1};
  run(text, "kernel", Arguments().add(buffer(std::vector<std::uint32_t>(128))).add(poisoned<std::uint32_t>(64)));
  EXPECT_EQ(statistics_.global_load_bytes, 3u * 64 * 8);
  EXPECT_EQ(statistics_.shared_store_bytes, 3u * 64 * 8);
  EXPECT_EQ(statistics_.shared_load_bytes, 3u * 10 * 4);
  EXPECT_EQ(statistics_.global_store_bytes, 3u * 10 * 4);
  EXPECT_EQ(statistics_.warp_instructions["ld.global"], 6u);
  EXPECT_EQ(statistics_.thread_instructions, 3u * (64 * 10 + 10 * 3));
}

}  // namespace
}  // namespace emulator::test
