// Bulk copies: what is counted of them, and what the model makes of waiting for them, on paper.
#include "measured.hpp"

namespace emulator::test {
namespace {

constexpr double kClock = 1.755e9;

class BulkMeasured : public Measured {
 protected:
  BulkMeasured() {
    profile_.major = 9;
    profile_.clock_khz = 1755000;
    profile_.memory_bytes_per_second = 3.35e12;
  }

  /// One thread runs `body`; d holds the address of `bytes` bytes of global memory, o that of an mbarrier which expects
  /// one arrival, r4 bytes of shared memory.
  void measure(const std::string& body, std::uint32_t bytes) {
    const std::string text = header("sm_90") + R"(
.visible .entry go(.param .u64 from) {
  .shared .align 128 .b8 tile[65536];
  .shared .align 8 .b64 object;
  .reg .b32 o, r<10>; .reg .b64 d, e; .reg .pred p;
  ld.param.u64 d, [from];
  mov.u32 o, object;
  mov.u32 r4, tile;
  mbarrier.init.shared.b64 [o], 1;
  fence.mbarrier_init.release.cluster;
)" + body + "\n  ret;\n}\n";
    block_ = {1, 1, 1};
    auto* from = buffer(std::vector<std::uint8_t>(bytes, 1));
    run(text, "go", Arguments().add(from));
    memory_.release(reinterpret_cast<std::uint64_t>(from));
  }
  [[nodiscard]] double cycles() const { return statistics_.measurement.modelled.multiprocessor_seconds * kClock; }
};

std::string wait(unsigned number) {
  const std::string n = std::to_string(number);
  return "again" + n + ":\n mbarrier.try_wait.parity.shared.b64 p, [o], " + std::to_string(number % 2) +
         ";\n @!p bra again" + n + ";\n";
}
std::string expect(unsigned bytes) {
  return " mbarrier.arrive.expect_tx.shared.b64 _, [o], " + std::to_string(bytes) + ";\n";
}
std::string bring(unsigned number, unsigned bytes) {
  const std::string offset = std::to_string(number * bytes), size = std::to_string(bytes);
  return " cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [r4+" + offset + "], [d+" + offset + "], " +
         size + ", [o];\n";
}

TEST_F(BulkMeasured, CountsBytesSectorsAndRows) {
  measure(expect(4096) + bring(0, 4096) + wait(0) +
              " cp.async.bulk.global.shared::cta.bulk_group [d+16], [r4], 2048;\n cp.async.bulk.commit_group;\n"
              " cp.async.bulk.wait_group 0;\n",
          8192);
  const Counters in = of("cp.async.bulk.shared::cta"), out = of("cp.async.bulk.global");
  EXPECT_EQ(in.global_load_bytes, 4096u);
  EXPECT_EQ(in.shared_store_bytes, 4096u);
  EXPECT_EQ(in.global_sectors, 128u);
  EXPECT_EQ(in.excess_sectors, 0u);
  EXPECT_EQ(in.shared_passes, 32u);
  EXPECT_EQ(in.bank_conflicts, 0u);
  EXPECT_EQ(out.global_store_bytes, 2048u);
  EXPECT_EQ(out.shared_load_bytes, 2048u);
  EXPECT_EQ(out.global_sectors, 65u);  // it begins in the middle of one
  EXPECT_EQ(out.excess_sectors, 1u);
  EXPECT_EQ(statistics_.measurement.modelled.memory_bytes, 32u * (128 + 65));
}

/// Copies that are waited for one by one take their latency each, copies in flight at a time little more than one.
TEST_F(BulkMeasured, LatenciesAddUpOnlyWhereTheyAreWaitedFor) {
  constexpr unsigned kCopies = 16, kBytes = 1024;
  std::string serial, parallel = expect(kCopies * kBytes);
  for (unsigned k = 0; k < kCopies; ++k) {
    serial += expect(kBytes) + bring(k, kBytes) + wait(k);
    parallel += bring(k, kBytes);
  }
  parallel += wait(0);
  measure(serial, kCopies * kBytes);
  const double one_by_one = cycles();
  measure(parallel, kCopies * kBytes);
  const double together = cycles();
  // Memory answers after 479 cycles (Luo et al.), the copy itself and the barrier take 150 and 20 (guessed), and the
  // port to the second-level cache moves 64 bytes a cycle.
  const double latency = 479 + 150 + 20, transfer = kBytes / 64.0;
  EXPECT_NEAR(one_by_one, kCopies * (latency + transfer), 0.05 * one_by_one);
  EXPECT_NEAR(together, latency + kCopies * transfer, 0.15 * together);
}

/// How often a thread looked in vain is the schedule's affair.
TEST_F(BulkMeasured, DoesNotHangOnTheSchedule) {
  double first = 0;
  for (unsigned schedule = 0; schedule < 8; ++schedule) {
    schedule_ = schedule;
    measure(expect(4096) + bring(0, 4096) + wait(0), 4096);
    if (schedule == 0) first = cycles();
    EXPECT_EQ(cycles(), first) << schedule;
  }
}

}  // namespace
}  // namespace emulator::test
