// Clusters of one block (PTX ISA 9.7.9.23, 9.7.9.24, 9.7.13.3): what kernels for clusters do when they have no peers.
#include "machine.hpp"

namespace emulator::test {
namespace {

class Cluster : public Machine {
 protected:
  /// Runs `body` with 96 threads: thread t in register t; out holds 96 words.
  std::optional<Fault> attempt(const std::string& body, const std::string& directives = "") {
    const std::string text = header("sm_90a") + ".visible .entry go(.param .u64 where) " + directives + R"({
  .shared .align 128 .b8 tile[512];
  .shared .align 8 .b64 object;
  .reg .b32 t, r<10>; .reg .b64 out, d<4>; .reg .b16 h; .reg .pred p, q;
  ld.param.u64 out, [where];
  mov.u32 t, %tid.x;
  mul.wide.u32 d0, t, 4;
  add.u64 d0, d0, out;
)" + body + "\n  ret;\n}\n";
    profile_.major = 9;
    block_ = {96, 1, 1};
    schedule_ = fresh_seed();
    out_ = buffer(std::vector<std::uint32_t>(96, 1000));
    if (auto refused = load(text)) return refused;
    return launch("go", Arguments().add(out_));
  }
  std::uint32_t* out_ = nullptr;
};

const std::string kExchange = R"(
  mov.u32 r0, tile;
  mad.lo.u32 r1, t, 4, r0;
  st.shared.u32 [r1], t;
  barrier.cluster.arrive.release.aligned;
  WAIT
  mapa.shared::cluster.u32 r2, r0, 0;
  getctarank.shared::cluster.u32 r3, r2;
  sub.u32 r4, 95, t;
  mad.lo.u32 r2, r4, 4, r2;
  ld.shared::cluster.u32 r5, [r2];
  add.u32 r5, r5, r3;
  mov.u32 r6, %cluster_ctarank;
  mov.u32 r7, %cluster_nctarank;
  sub.u32 r7, r7, 1;
  add.u32 r5, r5, r6;
  add.u32 r5, r5, r7;
  st.global.u32 [d0], r5;
  barrier.cluster.arrive.relaxed.aligned;
  barrier.cluster.wait.acquire.aligned;
)";

std::string exchange(const std::string& wait) {
  std::string text = kExchange;
  return text.replace(text.find("WAIT"), 4, wait);
}

TEST_F(Cluster, ThreadsMeetAtItsBarrier) {
  for (unsigned trial = 0; trial < 8; ++trial) {
    const auto fault = attempt(exchange("barrier.cluster.wait.aligned;"));
    ASSERT_FALSE(fault) << fault->text();
    for (std::uint32_t t = 0; t < 96; ++t) ASSERT_EQ(out_[t], 95 - t);
  }
}

TEST_F(Cluster, WithoutTheWaitNothingOrders) {
  for (unsigned trial = 0; trial < 8; ++trial) {
    const auto fault = attempt(exchange(""));
    ASSERT_TRUE(fault);
    EXPECT_TRUE(fault->kind == Fault::Kind::race || fault->kind == Fault::Kind::divergent_barrier) << fault->text();
  }
}

TEST_F(Cluster, ThreadsThatHaveExitedAreNotWaitedFor) {
  const auto fault = attempt(R"(
  setp.ge.u32 p, t, 64;
  @p ret;
  barrier.cluster.arrive;
  barrier.cluster.wait;
  st.global.u32 [d0], t;)");
  ASSERT_FALSE(fault) << fault->text();
  for (std::uint32_t t = 0; t < 96; ++t) EXPECT_EQ(out_[t], t < 64 ? t : 1000);
}

TEST_F(Cluster, CopiesToAllBlocksComeToTheOne) {
  const std::string copy = R"(
  setp.eq.u32 p, t, 0;
  @p mbarrier.init.shared.b64 [object], 1;
  @p fence.mbarrier_init.release.cluster;
  bar.sync 0;
  mov.u16 h, MASK;
  @!p bra wait;
  mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [object], 384;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [tile], [out], 384, [object], h;
wait:
  mbarrier.try_wait.parity.shared.b64 q, [object], 0;
  @!q bra wait;
  mov.u32 r0, tile;
  mad.lo.u32 r1, t, 4, r0;
  ld.shared.u32 r2, [r1];
  add.u32 r2, r2, t;
  bar.sync 0;
  st.global.u32 [d0], r2;)";
  const auto with = [&](const std::string& mask) {
    std::string text = copy;
    return attempt(text.replace(text.find("MASK"), 4, mask));
  };
  auto fault = with("1");
  ASSERT_FALSE(fault) << fault->text();
  for (std::uint32_t t = 0; t < 96; ++t) EXPECT_EQ(out_[t], 1000 + t);
  fault = with("3");
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->text().find("rank 0"), std::string::npos) << fault->text();
}

TEST_F(Cluster, Misuse) {
  auto fault = attempt("mov.u32 r0, tile;\nmapa.shared::cluster.u32 r1, r0, 1;");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::out_of_bounds) << fault->text();
  fault = attempt("barrier.cluster.wait;");
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->text().find("without an arrival"), std::string::npos) << fault->text();
  fault = attempt("barrier.cluster.arrive;\nbarrier.cluster.arrive;");
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->text().find("second arrival"), std::string::npos) << fault->text();
  fault = attempt("", ".explicitcluster .reqnctapercluster 2, 2, 1 ");
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->text().find("clusters of 4 blocks"), std::string::npos) << fault->text();
}

}  // namespace
}  // namespace emulator::test
