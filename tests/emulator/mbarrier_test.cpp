// mbarrier objects (PTX ISA 9.7.13.15): counts, phases, bytes, and what goes wrong with them.
#include "machine.hpp"

namespace emulator::test {
namespace {

class Mbarrier : public Machine {
 protected:
  /// Runs `body` with one thread or more; it may use registers r0 … r9, d0 … d9, p0 … p3, and stores to [out].
  std::optional<Fault> attempt(const std::string& body, unsigned threads = 1) {
    const std::string text = header("sm_90") + R"(
.visible .entry go(.param .u64 where) {
  .shared .align 8 .b64 object;
  .shared .align 8 .b64 other;
  .reg .b32 r<10>; .reg .b64 d<10>; .reg .pred p<4>; .reg .b64 out; .reg .b32 t;
  ld.param.u64 out, [where];
  mov.u32 t, %tid.x;
)" + body + "\n  ret;\n}\n";
    profile_.major = 9;
    limit_ = 50'000'000;
    out_ = buffer(std::vector<std::uint32_t>(64, 0));
    block_ = {threads, 1, 1};
    if (auto refused = load(text)) return refused;
    return launch("go", Arguments().add(out_));
  }
  void expect_fault(const std::string& body, Fault::Kind kind, const std::string& words, unsigned threads = 1) {
    const auto fault = attempt(body, threads);
    ASSERT_TRUE(fault) << body;
    EXPECT_EQ(fault->kind, kind) << fault->text();
    EXPECT_NE(fault->text().find(words), std::string::npos) << fault->text();
  }
  std::uint32_t* out_ = nullptr;
};

TEST_F(Mbarrier, CountsArrivalsInPhases) {
  const auto fault = attempt(R"(
  mbarrier.init.shared::cta.b64 [object], 3;
  mbarrier.arrive.shared.b64 d0, [object];
  mbarrier.pending_count.b64 r0, d0;
  st.global.u32 [out], r0;
  mbarrier.test_wait.shared.b64 p0, [object], d0;
  selp.u32 r1, 1, 0, p0;
  st.global.u32 [out+4], r1;
  mbarrier.arrive.release.cta.shared::cta.b64 _, [object], 2;
  mbarrier.test_wait.shared.b64 p0, [object], d0;
  selp.u32 r1, 1, 0, p0;
  st.global.u32 [out+8], r1;
  mbarrier.test_wait.parity.shared.b64 p0, [object], 0;
  mbarrier.test_wait.parity.shared.b64 p1, [object], 1;
  selp.u32 r1, 1, 0, p0;
  selp.u32 r2, 1, 0, p1;
  st.global.v2.u32 [out+16], {r1, r2};
  mbarrier.arrive_drop.shared.b64 d1, [object];
  mbarrier.arrive.noComplete.shared.b64 d2, [object], 1;
  mbarrier.pending_count.b64 r0, d2;
  st.global.u32 [out+24], r0;
  mbarrier.arrive.shared.b64 d2, [object];
  mbarrier.arrive.shared.b64 d3, [object];
  mbarrier.pending_count.b64 r0, d3;
  st.global.u32 [out+28], r0;
  mbarrier.inval.shared.b64 [object];)");
  ASSERT_FALSE(fault) << fault->text();
  EXPECT_EQ(out_[0], 3u);  // the state is that before the arrival
  EXPECT_EQ(out_[1], 0u);
  EXPECT_EQ(out_[2], 1u);
  EXPECT_EQ(out_[4], 1u);  // the phase with parity 0 is over
  EXPECT_EQ(out_[5], 0u);
  EXPECT_EQ(out_[6], 2u);
  EXPECT_EQ(out_[7], 2u);  // one thread has left for good: the next phase waits for two
}

TEST_F(Mbarrier, WaitsForBytes) {
  const auto fault = attempt(R"(
  mbarrier.init.shared.b64 [object], 1;
  mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 d0, [object], 96;
  mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [object], 64;
  mbarrier.test_wait.shared.b64 p0, [object], d0;
  selp.u32 r1, 1, 0, p0;
  st.global.u32 [out], r1;
  mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [object], 4;
  mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [object], 36;
  mbarrier.test_wait.shared.b64 p0, [object], d0;
  selp.u32 r1, 1, 0, p0;
  st.global.u32 [out+4], r1;)");
  ASSERT_FALSE(fault) << fault->text();
  EXPECT_EQ(out_[0], 0u);
  EXPECT_EQ(out_[1], 1u);
}

constexpr const char* kInit = "mbarrier.init.shared.b64 [object], 2;\n";

// One after the other, each with what is said about it.
TEST_F(Mbarrier, Misuse) {
  const auto kind = Fault::Kind::mbarrier;
  expect_fault("mbarrier.arrive.shared.b64 d0, [object];", kind, "never initialised");
  expect_fault(std::string(kInit) + "mbarrier.inval.shared.b64 [object];\nmbarrier.arrive.shared.b64 d0, [object];",
               kind, "no mbarrier object");
  expect_fault(std::string(kInit) + "mbarrier.arrive.shared.b64 d0, [object], 3;", kind, "more arrivals");
  expect_fault("mbarrier.init.shared.b64 [object], 0;", kind, "1 to 1048575");
  expect_fault("mbarrier.init.shared.b64 [object], 1048576;", kind, "1 to 1048575");
  expect_fault(std::string(kInit) + "mbarrier.arrive.noComplete.shared.b64 d0, [object], 2;", kind, ".noComplete");
  expect_fault(std::string(kInit) + "mov.u64 d1, 5;\nmbarrier.test_wait.shared.b64 p0, [object], d1;", kind,
               "no arrival");
  expect_fault("mbarrier.init.b64 [out], 1;", kind, "shared memory");
  expect_fault("mov.u32 r0, object;\nadd.u32 r0, r0, 4;\nmbarrier.init.shared.b64 [r0], 1;", Fault::Kind::misaligned,
               "8");
}

TEST_F(Mbarrier, APhaseThatNobodyCompletesIsADeadlock) {
  const std::string wait = R"(
  mbarrier.arrive.shared.b64 d0, [object];
again:
  mbarrier.try_wait.shared.b64 p0, [object], d0;
  @!p0 bra again;)";
  // Two arrivals are expected; of 33 threads none but the first arrives, the others wait at a barrier.
  expect_fault(std::string("setp.ne.u32 p1, t, 0;\n@p1 bra rest;\n") + kInit + wait + "\nrest:\nbar.sync 0;",
               Fault::Kind::deadlock, "nobody is left", 1);
  const auto fault = attempt(
      std::string("setp.ne.u32 p1, t, 0;\n@!p1 mbarrier.init.shared.b64 [object], 64;\nbar.sync 0;\n") + wait, 64);
  EXPECT_FALSE(fault) << fault->text();
}

TEST_F(Mbarrier, ArrivesWhenCopiesHaveLanded) {
  const auto fault = attempt(R"(
  .shared .align 16 .b8 staged[256];
  setp.ne.u32 p1, t, 0;
  @!p1 mbarrier.init.shared.b64 [object], 16;
  bar.sync 0;
  shl.b32 r0, t, 4;
  mov.u32 r1, staged;
  add.u32 r1, r1, r0;
  cvt.u64.u32 d1, r0;
  add.u64 d1, d1, out;
  cp.async.cg.shared.global [r1], [d1], 16;
  cp.async.mbarrier.arrive.noinc.shared.b64 [object];
again:
  mbarrier.try_wait.parity.shared.b64 p0, [object], 0;
  @!p0 bra again;
  xor.b32 r0, r0, 240;
  mov.u32 r1, staged;
  add.u32 r1, r1, r0;
  ld.shared.v4.u32 {r2, r3, r4, r5}, [r1];
  add.u32 r2, r2, r5;
  add.u32 r2, r2, t;
  bar.sync 0;
  cvt.u64.u32 d1, t;
  mad.lo.u64 d1, d1, 4, out;
  st.global.u32 [d1], r2;)",
                             16);
  ASSERT_FALSE(fault) << fault->text();
  for (std::uint32_t t = 0; t < 16; ++t) EXPECT_EQ(out_[t], t) << t;
}

}  // namespace
}  // namespace emulator::test
