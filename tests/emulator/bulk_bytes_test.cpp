// Bulk copies of bytes (PTX ISA 9.7.9.25.4), their groups, and what is said when they are wrong.
#include "machine.hpp"

namespace emulator::test {
namespace {

class BulkBytes : public Machine {
 protected:
  static constexpr std::uint32_t kWords = 1024;

  /// Runs `body` with one warp, of which thread 0 has p. In shared memory there is `tile` (4096 bytes), all of it
  /// written by the warp: word i holds i; [in] and [out] hold as much, word i of [in] 100000 + i and of [out] 7.
  std::optional<Fault> attempt(const std::string& body) {
    const std::string text = header("sm_90") + R"(
.visible .entry go(.param .u64 from, .param .u64 to) {
  .shared .align 128 .b8 tile[4096];
  .shared .align 8 .b64 object;
  .reg .b32 t, r<10>; .reg .b64 in, out, d<10>; .reg .pred p, q;
  ld.param.u64 in, [from];
  ld.param.u64 out, [to];
  mov.u32 t, %tid.x;
  setp.eq.u32 p, t, 0;
  mov.u32 r0, t;
  mov.u32 r1, tile;
  mad.lo.u32 r1, t, 4, r1;
init:
  st.shared.u32 [r1], r0;
  add.u32 r1, r1, 128;
  add.u32 r0, r0, 32;
  setp.lt.u32 q, r0, 1024;
  @q bra init;
  @p mbarrier.init.shared.b64 [object], 1;
  fence.mbarrier_init.release.cluster;
  fence.proxy.async;
  bar.sync 0;
)" + body + "\n  ret;\n}\n";
    profile_.major = 9;
    std::vector<std::uint32_t> words(kWords);
    for (std::uint32_t i = 0; i < kWords; ++i) words[i] = 100000 + i;
    in_ = buffer(words);
    out_ = buffer(std::vector<std::uint32_t>(kWords, 7));
    schedule_ = fresh_seed();
    if (auto refused = load(text)) return refused;
    return launch("go", Arguments().add(in_).add(out_));
  }
  void expect_fault(const std::string& body, Fault::Kind kind, const std::string& words) {
    const auto fault = attempt(body);
    ASSERT_TRUE(fault) << body;
    EXPECT_EQ(fault->kind, kind) << fault->text();
    EXPECT_NE(fault->text().find(words), std::string::npos) << fault->text();
  }
  std::uint32_t* in_ = nullptr;
  std::uint32_t* out_ = nullptr;
};

const std::string kWait = R"(
wait:
  mbarrier.try_wait.parity.shared.b64 q, [object], 0;
  @!q bra wait;
)";

TEST_F(BulkBytes, MovesBothWays) {
  const auto fault = attempt(R"(
  @!p bra wait;
  mbarrier.arrive.expect_tx.shared.b64 _, [object], 1040;
  createpolicy.fractional.L2::evict_first.b64 d3, 1.0;
  cp.async.bulk.prefetch.L2.global [in], 256;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [tile+256], [in+512], 1024, [object], d3;
  cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [tile], [in], 16, [object];
)" + kWait + R"(
  @!p ret;
  cp.async.bulk.global.shared::cta.bulk_group [out], [tile], 2048;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group.read 0;
  cp.async.bulk.wait_group 0;
)");
  ASSERT_FALSE(fault) << fault->text();
  for (std::uint32_t i = 0; i < kWords; ++i) {
    const std::uint32_t expected = i < 4 ? 100000 + i : i >= 512 ? 7 : i >= 64 && i < 320 ? 100000 + i + 64 : i;
    ASSERT_EQ(out_[i], expected) << i;
  }
}

TEST_F(BulkBytes, MovesWithinSharedMemoryAndReduces) {
  const auto fault = attempt(R"(
  @!p bra wait;
  mbarrier.arrive.expect_tx.shared.b64 _, [object], 128;
  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [tile+1024], [tile+64], 64, [object];
  cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.u32 [tile+2048], [tile+64], 64, [object];
)" + kWait + R"(
  @!p ret;
  cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [out], [tile], 4096;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)");
  ASSERT_FALSE(fault) << fault->text();
  for (std::uint32_t i = 0; i < kWords; ++i) {
    const std::uint32_t held = i >= 256 && i < 272 ? i - 240 : i >= 512 && i < 528 ? i + (i - 496) : i;
    ASSERT_EQ(out_[i], 7 + held) << i;
  }
}

/// Only the groups that are waited for have to come to their end, and those do.
TEST_F(BulkBytes, GroupsEndOneByOne) {
  const auto fault = attempt(R"(
  @!p ret;
  cp.async.bulk.global.shared::cta.bulk_group [out], [tile], 64;
  cp.async.bulk.commit_group;
  cp.async.bulk.global.shared::cta.bulk_group [out+64], [tile+64], 64;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 1;
  ld.global.u32 r2, [out+60];
  st.global.u32 [out+128], r2;
  cp.async.bulk.wait_group.read 0;
  st.shared.u32 [tile+64], 99;
  cp.async.bulk.wait_group 0;
)");
  ASSERT_FALSE(fault) << fault->text();
  EXPECT_EQ(out_[32], 15U);
  EXPECT_EQ(out_[16], 16U);
  EXPECT_EQ(out_[31], 31U);
}

TEST_F(BulkBytes, ABarrierThatWaitsForOtherBytesIsADeadlock) {
  for (const char* expected : {"80", "48"}) {
    expect_fault(std::string("@!p bra wait;\nmbarrier.arrive.expect_tx.shared.b64 _, [object], ") + expected +
                     ";\ncp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [tile], [in], 64, [object];\n" +
                     kWait,
                 Fault::Kind::deadlock,
                 expected == std::string("80") ? "0 arrivals and 16 bytes" : "0 arrivals and 16 bytes fewer");
  }
  // Nobody expects the bytes and nobody arrives.
  expect_fault("@p cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [tile], [in], 64, [object];\n" + kWait,
               Fault::Kind::deadlock, "1 arrival and 64 bytes fewer than have come");
}

TEST_F(BulkBytes, Misuse) {
  const std::string load = "@p cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes ";
  expect_fault(load + "[tile], [in], 24, [object];", Fault::Kind::misaligned, "24 bytes, which is no multiple of 16");
  expect_fault(load + "[tile+8], [in], 32, [object];", Fault::Kind::misaligned, "16 bytes");
  expect_fault(load + "[tile], [in+8], 32, [object];", Fault::Kind::misaligned, "16 bytes");
  expect_fault(load + "[tile], [in+4080], 32, [object];", Fault::Kind::out_of_bounds, "32 bytes");
  expect_fault(load + "[tile+4096], [in], 32, [object];", Fault::Kind::out_of_bounds, "shared memory");
  expect_fault(load + "[tile], [in], 32, [tile+64];", Fault::Kind::mbarrier, "no mbarrier object");
  expect_fault("@p cp.async.bulk.global.shared::cta.bulk_group [out+4080], [tile], 32;", Fault::Kind::out_of_bounds,
               "32 bytes");
}

/// Whether the bytes come before or after their barrier is gone depends on the schedule.
TEST_F(BulkBytes, BytesThatComeToABarrierThatIsGone) {
  int too_late = 0;
  for (int i = 0; i < 40; ++i) {
    const auto fault = attempt(
        "@p cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [tile], [in], 64, [object];\n"
        "@p mbarrier.inval.shared.b64 [object];");
    ASSERT_TRUE(fault);
    if (fault->kind == Fault::Kind::in_flight) continue;  // they had come, and nobody waited for them
    ASSERT_EQ(fault->kind, Fault::Kind::mbarrier) << fault->text();
    ASSERT_NE(fault->text().find("no mbarrier object"), std::string::npos) << fault->text();
    ++too_late;
  }
  EXPECT_GT(too_late, 0);
}

TEST_F(BulkBytes, RefusedWhenLoaded) {
  const auto refused = [&](const std::string& body, const std::string& words) {
    expect_fault(body, Fault::Kind::unsupported, words);
  };
  refused(
      "cp.async.bulk.tensor.3d.shared::cta.global.im2col.mbarrier::complete_tx::bytes [tile], [in, {r0, r0, r0}], "
      "[object], {r0};",
      "im2col");
}

}  // namespace
}  // namespace emulator::test
