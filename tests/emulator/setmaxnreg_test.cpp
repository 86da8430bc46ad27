// setmaxnreg (PTX ISA 9.7.19.5): registers move between warpgroups through their block's pool.
#include "machine.hpp"

namespace emulator::test {
namespace {

class SetMaxNReg : public Machine {
 protected:
  SetMaxNReg() { profile_.major = 9; }

  static std::string adjust(const char* kind, int count) {
    return std::string("setmaxnreg.") + kind + ".sync.aligned.u32 " + std::to_string(count) + ";\n";
  }
  /// Threads below `bound` execute `low`, the others `high`.
  static std::string kernel(const std::string& low, const std::string& high, int bound = 128,
                            const std::string& bounds = ".maxntid 384", const std::string& target = "sm_90a") {
    return header(target) + ".visible .entry k() " + bounds +
           " {\n.reg .pred p;\n.reg .b32 t;\nmov.u32 t, %tid.x;\nsetp.lt.u32 p, t, " + std::to_string(bound) +
           ";\n@p bra low;\n" + high + "bra.uni end;\nlow:\n" + low + "end:\nret;\n}\n";
  }
  std::optional<Fault> run_kernel(const std::string& text, unsigned threads = 384) {
    const auto refused = load(text);
    EXPECT_FALSE(refused) << refused->text();
    block_ = {threads, 1, 1};
    for (schedule_ = 0; schedule_ < 10; ++schedule_) {
      if (auto fault = launch("k", Arguments())) return fault;
    }
    return std::nullopt;
  }
  void expect_fault(const std::string& text, Fault::Kind kind, const char* word) {
    const auto fault = run_kernel(text);
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->kind, kind) << fault->text();
    EXPECT_NE(fault->text().find(word), std::string::npos) << fault->text();
  }
};

// 65,536 / 384 in units of 8 are 168; (40 + 2 * 232) * 128 are no more than 168 * 384.
TEST_F(SetMaxNReg, ConsumersTakeWhatTheProducerGivesBack) {
  const auto fault = run_kernel(kernel(adjust("dec", 40), adjust("inc", 232)));
  EXPECT_FALSE(fault) << fault->text();
}

// (80 + 2 * 224) * 128 are more: the second to ask waits for ever.
TEST_F(SetMaxNReg, AskingForMoreThanThereIsIsADeadlock) {
  expect_fault(kernel(adjust("dec", 80), adjust("inc", 224)), Fault::Kind::deadlock, "224");
  expect_fault(kernel("", adjust("inc", 176)), Fault::Kind::deadlock, "pool");
}

TEST_F(SetMaxNReg, AFixedNumberOfRegistersIsWhatThreadsBeginWith) {
  const auto fault = run_kernel(kernel(adjust("dec", 24), adjust("inc", 176), 128, ".maxntid 384\n.maxnreg 128"));
  EXPECT_FALSE(fault) << fault->text();
  expect_fault(kernel(adjust("dec", 24), adjust("inc", 184), 128, ".maxntid 384\n.maxnreg 128"), Fault::Kind::deadlock,
               "184");
}

TEST_F(SetMaxNReg, AllFourWarpsMustExecuteIt) {
  expect_fault(kernel(adjust("dec", 40), "", 64), Fault::Kind::registers, "all four warps");
  expect_fault(kernel(adjust("dec", 40), adjust("dec", 40), 64), Fault::Kind::registers, "different setmaxnreg");
}

TEST_F(SetMaxNReg, DecreasesAndIncreases) {
  expect_fault(kernel(adjust("dec", 176), ""), Fault::Kind::registers, "setmaxnreg.dec");
  expect_fault(kernel(adjust("inc", 160), ""), Fault::Kind::registers, "setmaxnreg.inc");
}

TEST_F(SetMaxNReg, RefusesWhatTheManualDoes) {
  for (const int count : {16, 36, 264}) {
    const auto refused = load(kernel(adjust("dec", count), ""));
    ASSERT_TRUE(refused) << count;
    EXPECT_NE(refused->message.find("multiple of 8"), std::string::npos) << refused->message;
  }
  EXPECT_TRUE(load(kernel(adjust("dec", 40), "", 128, "")));
  const auto older = load(kernel(adjust("dec", 40), "", 128, ".maxntid 384", "sm_90"));
  ASSERT_TRUE(older);
  EXPECT_NE(older->message.find("compute_90a"), std::string::npos) << older->message;
}

}  // namespace
}  // namespace emulator::test
