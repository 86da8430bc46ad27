// The floors against figures that docs/performance.md gives, and others worked out by hand.
#include "autotune/report/floors.hpp"

#include <gtest/gtest.h>

#include "made_up.hpp"

namespace osdn::test {
namespace {

using namespace autotune;

const Shape equal_heads{.b = 4, .t = 8192, .h = 32, .hv = 32};

TEST(Floors, OfThePerformancePage) {
  const Problem problem{.type = ElementType::bf16, .k = 128, .v = 128};
  const Work work = least_work(problem, equal_heads, 64);
  EXPECT_DOUBLE_EQ(work.bytes, 1028);             // 4 · 256 + 4
  EXPECT_DOUBLE_EQ(work.two_phases_bytes, 1312);  // and 256 + 4 + 8 + 2 · 512 / 64
  EXPECT_DOUBLE_EQ(work.flops, 163840);           // 4 · 2 · 64 · 128 + 3 · 2 · 128²
  const auto rates = rates_of(h200());
  ASSERT_TRUE(rates);
  const Floors least = floors(problem, work, *rates);
  EXPECT_NEAR(least.memory * 1e9, 0.239, 0.0005);
  EXPECT_NEAR(least.two_phases_memory * 1e9, 0.305, 0.0005);
  EXPECT_NEAR(least.tensor * 1e9, 0.207, 0.0005);
}

TEST(Floors, KeyHeadsThatAreSharedCountInProportion) {
  const Problem problem{.type = ElementType::bf16, .k = 64, .v = 128, .precondition = Precondition::none};
  const Work work = least_work(problem, {.b = 1, .t = 100, .h = 8, .hv = 32}, 32);
  EXPECT_DOUBLE_EQ(work.bytes, 2 * 32 + 2 * 256 + 4);  // q and k of 128 bytes for four value heads, v and o of 256
  EXPECT_DOUBLE_EQ(work.two_phases_bytes, 0);
  EXPECT_DOUBLE_EQ(work.flops, 4 * 32 * 64 + 4 * 32 * 128 + 6 * 64 * 128);
}

TEST(Floors, OtherTypesAndGates) {
  Problem problem{.type = ElementType::fp32, .k = 32, .v = 16, .apf = Apf::per_channel};
  const Work once = least_work(problem, equal_heads, 16);
  EXPECT_DOUBLE_EQ(once.bytes, 2 * 128 + 2 * 64 + 4 + 128);
  EXPECT_DOUBLE_EQ(once.two_phases_bytes, 516 + 128 + 4 + 8 + 2 * 128 / 16.0);
  EXPECT_DOUBLE_EQ(once.flops, 4 * 16 * 32 + 4 * 16 * 16 + 6 * 32 * 16);
  problem.math = Fp32Math::tf32x3;
  EXPECT_DOUBLE_EQ(least_work(problem, equal_heads, 16).flops, 3 * once.flops);
  // TF32 runs at half the rate: 3 · 6144 operations at 395 TFLOP/s.
  const Floors least = floors(problem, least_work(problem, equal_heads, 16), *rates_of(h200()));
  EXPECT_NEAR(least.tensor, 3 * 6144 / 395e12, 1e-15);
  problem.beta_type = BetaType::element;
  problem.type = ElementType::fp16;
  problem.apf = Apf::per_token;
  EXPECT_DOUBLE_EQ(least_work(problem, equal_heads, 16).bytes, 2 * 64 + 2 * 32 + 2 + 4);
}

TEST(Floors, OfGpusByTheirNameOrNotAtAll) {
  EXPECT_DOUBLE_EQ(rates_of({"NVIDIA A100-SXM4-80GB", 108, 80, 1600, false})->bytes_per_second, 2.039e12);
  EXPECT_NE(rates_of({"NVIDIA L40S", 142, 89, 9000, false})->source.find("data sheet"), std::string::npos);
  EXPECT_FALSE(rates_of({"NVIDIA H200 NVL", 132, 90, 3200, false}));
  EXPECT_FALSE(rates_of({"", 0, 90, 0, false}));
}

TEST(Floors, OfAnEmulatedGpuAreThoseOfItsModel) {
  // An A100: 1593 MHz · 2 · 640 bytes, of which the model takes 90 %; 108 · 1024 multiply-adds at 1410 MHz.
  const auto rates = rates_of(emulated_gpu(80, 108));
  ASSERT_TRUE(rates);
  EXPECT_NEAR(rates->bytes_per_second, 0.9 * 2039.04e9, 1e6);
  EXPECT_NEAR(rates->flops_per_second, 311.87e12, 0.01e12);
  EXPECT_NE(rates->source.find("timing model"), std::string::npos);
  EXPECT_NEAR(rates_of(emulated_gpu(80, 54))->flops_per_second, 155.9e12, 0.1e12);
  EXPECT_FALSE(rates_of(emulated_gpu(81, 54)));
}

}  // namespace
}  // namespace osdn::test
