// libcu++: atomics, barriers, pipelines.
#include <bit>
#include <complex>

#include "outside.hpp"

namespace emulator::test {
namespace {

class Libcudacxx : public Outside, public ::testing::WithParamInterface<const char*> {
 protected:
  Libcudacxx() { profile_.major = 9; }
};

TEST_P(Libcudacxx, Counters) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  std::uint32_t* total = poisoned<std::uint32_t>(1);
  auto* largest = buffer(zeros<unsigned long long>(1));
  int* bits = buffer(zeros<int>(1));
  double* sum = buffer(zeros<double>(1));
  go("counters", Arguments().add(total).add(largest).add(bits).add(sum), 1, 100);
  EXPECT_EQ(*total, 4950u);
  EXPECT_EQ(*largest, 99 * 0x100000001ull);
  EXPECT_EQ(*bits, -1);
  EXPECT_EQ(*sum, 4950 * 0.5);
}

TEST_P(Libcudacxx, AtomicsNarrowerThanAWord) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  auto* bytes = buffer(zeros<std::uint8_t>(4));
  auto* halves = buffer(zeros<std::uint16_t>(2));
  go("small_atomics", Arguments().add(bytes).add(halves), 2, 100);
  for (int k = 0; k < 4; ++k) EXPECT_EQ(bytes[k], 50) << k;
  for (int k = 0; k < 2; ++k) EXPECT_EQ(halves[k], 300) << k;
}

TEST_P(Libcudacxx, BarriersHandOver) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  for (const int rounds : {1, 2, 9}) {
    const auto in = integers<int>(static_cast<std::size_t>(64 * rounds), 0, 1'000'000);
    int* out = poisoned<int>(in.size());
    go("handover", Arguments().add(buffer(in)).add(out).add(rounds), 1, 128);
    for (int r = 0; r < rounds; ++r) {
      for (int k = 0; k < 64; ++k) {
        ASSERT_EQ(out[r * 64 + k], in[static_cast<std::size_t>(r * 64 + 63 - k)] + r) << r << " " << k;
      }
    }
  }
}

TEST_P(Libcudacxx, BarriersWaitForCopies) {
  if (std::string(GetParam()) == "compute_90") GTEST_SKIP() << "bulk copies are not there yet";
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  const int count = 150;
  const auto in = reals<float>(4 * count, -1, 1);
  float* out = poisoned<float>(4 * count);
  go("barrier_copies", Arguments().add(buffer(in)).add(out).add(count), 1, 64, count * 16);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < 4; ++k) ASSERT_EQ(out[4 * i + k], in[4 * (count - 1 - i) + k]) << i;
  }
}

TEST_P(Libcudacxx, Pipelines) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  for (const int batches : {1, 2, 7}) {
    const auto in = integers<int>(static_cast<std::size_t>(128 * batches), -1000, 1000);
    int* out = poisoned<int>(128);
    go("pipelined", Arguments().add(buffer(in)).add(out).add(batches), 1, 128);
    for (int t = 0; t < 128; ++t) {
      int sum = 0;
      for (int b = 0; b < batches; ++b) sum += in[static_cast<std::size_t>(b * 128 + (t + b) % 128)];
      ASSERT_EQ(out[t], sum) << t;
    }
    int* turned = poisoned<int>(static_cast<std::size_t>(64 * batches));
    go("partitioned", Arguments().add(buffer(in)).add(turned).add(batches), 1, 96);
    for (int b = 0; b < batches; ++b) {
      for (int k = 0; k < 64; ++k) {
        ASSERT_EQ(turned[b * 64 + k], in[static_cast<std::size_t>(b * 64 + 63 - k)]) << b << " " << k;
      }
    }
  }
}

TEST_P(Libcudacxx, APipelineOfOneThread) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  const auto in = reals<double>(256, -1, 1);
  double* out = poisoned<double>(256);
  go("own_pipeline", Arguments().add(buffer(in)).add(out), 1, 128);
  for (std::size_t t = 0; t < 128; ++t) {
    ASSERT_EQ(out[2 * t], in[2 * t + 1]) << t;
    ASSERT_EQ(out[2 * t + 1], in[2 * t]) << t;
  }
}

TEST_P(Libcudacxx, LatchSemaphoreAndLock) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  int* counter = buffer(zeros<int>(1));
  int* inside = buffer(zeros<int>(1));
  go("locks", Arguments().add(counter).add(inside), 1, 64);
  EXPECT_EQ(*counter, 64);
  EXPECT_GE(*inside, 1);
  EXPECT_LE(*inside, 2);
}

TEST_P(Libcudacxx, Values) {
  LOAD_OUTSIDE(compile("libcudacxx.cu", GetParam()));
  const auto in = reals<double>(128, -3, 3);
  double* out = poisoned<double>(3 * 64);
  std::uint32_t* bits = poisoned<std::uint32_t>(64);
  go("values", Arguments().add(buffer(in)).add(out).add(bits), 1, 64);
  for (std::size_t t = 0; t < 64; ++t) {
    const std::complex<double> z(in[2 * t], in[2 * t + 1]);
    const auto w = z * z + std::complex<double>(0.25, -1.0);
    ASSERT_NEAR(out[3 * t], w.real(), 1e-14);
    ASSERT_NEAR(out[3 * t + 1], w.imag(), 1e-14);
    ASSERT_NEAR(out[3 * t + 2], std::abs(z), 1e-14);
    const auto u = std::bit_cast<std::uint64_t>(in[t]);
    ASSERT_EQ(bits[t], static_cast<std::uint32_t>(std::popcount(u) * 10000 + std::countl_zero(u | 1) * 100 +
                                                  std::countr_zero(u | (std::uint64_t{1} << 63))));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Libcudacxx, ::testing::Values("compute_80", "compute_90"));

}  // namespace
}  // namespace emulator::test
