// Cooperative groups.
#include <map>

#include "outside.hpp"

namespace emulator::test {
namespace {

using Groups = Outside;

TEST_F(Groups, Tiles) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const auto in = integers<int>(128, -1000, 1000);
  int* small = poisoned<int>(128);
  int* large = poisoned<int>(128);
  int* scanned = poisoned<int>(128);
  go("tiles", Arguments().add(buffer(in)).add(small).add(large).add(scanned), 1, 128);
  for (std::size_t i = 0; i < 128; ++i) {
    const auto four = in.begin() + static_cast<std::ptrdiff_t>(i / 4 * 4);
    const auto warp = in.begin() + static_cast<std::ptrdiff_t>(i / 32 * 32);
    ASSERT_EQ(small[i], std::accumulate(four, four + 4, 0)) << i;
    ASSERT_EQ(large[i], *std::max_element(warp, warp + 32)) << i;
    ASSERT_EQ(scanned[i], std::accumulate(warp, in.begin() + static_cast<std::ptrdiff_t>(i + 1), 0)) << i;
  }
}

TEST_F(Groups, CoalescedLanesCompact) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const auto in = integers<int>(256 * 3, 0, 1'000'000);
  int* out = poisoned<int>(in.size());
  int* count = buffer(zeros<int>(1));
  go("compact", Arguments().add(buffer(in)).add(out).add(count), 3, 256);
  std::vector<int> expected;
  std::copy_if(in.begin(), in.end(), std::back_inserter(expected), [](int v) { return v % 3 == 0; });
  ASSERT_EQ(*count, static_cast<int>(expected.size()));
  std::vector<int> got(out, out + *count);
  std::sort(got.begin(), got.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(got, expected);
}

TEST_F(Groups, LabelledPartitions) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const auto label = integers<int>(96, 0, 5);
  const auto in = integers<int>(96, -50, 50);
  int* sums = poisoned<int>(96);
  int* sizes = poisoned<int>(96);
  go("labels", Arguments().add(buffer(label)).add(buffer(in)).add(sums).add(sizes), 1, 96);
  for (std::size_t i = 0; i < 96; ++i) {
    int sum = 0, size = 0, half = 0;
    for (std::size_t k = i / 32 * 32; k < i / 32 * 32 + 32; ++k) {
      sum += label[k] == label[i] ? in[k] : 0;
      size += label[k] == label[i] ? 1 : 0;
      half += (label[k] & 1) == (label[i] & 1) ? 1 : 0;
    }
    ASSERT_EQ(sums[i], sum) << i;
    ASSERT_EQ(sizes[i], size + 1000 * half) << i;
  }
}

TEST_F(Groups, AsynchronousCopiesAndStructures) {
  LOAD_OUTSIDE(compile("groups.cu"));
  struct Triple {
    double a;
    int b;
    short c;
  };
  const int count = 300;
  const auto in = reals<double>(count, -1, 1);
  double* out = poisoned<double>(count);
  Triple* triples = poisoned<Triple>(64);
  go("copies", Arguments().add(buffer(in)).add(out).add(triples).add(count), 1, 64, count * sizeof(double));
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(out[i], in[count - 1 - i]) << i;
  for (std::size_t t = 0; t < 64; ++t) {
    const std::size_t from = t % 32 + 5 < 32 ? t + 5 : t;
    ASSERT_EQ(triples[t].a, in[from]) << t;
    ASSERT_EQ(triples[t].b, static_cast<int>(from) * 3) << t;
    ASSERT_EQ(triples[t].c, -static_cast<short>(from)) << t;
  }
}

TEST_F(Groups, TilesOfSeveralWarps) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const auto in = words(256);
  std::uint32_t* out = poisoned<std::uint32_t>(256);
  go("large_tiles", Arguments().add(buffer(in)).add(out), 1, 256);
  for (std::size_t i = 0; i < 256; ++i) {
    const auto tile = in.begin() + static_cast<std::ptrdiff_t>(i / 64 * 64);
    ASSERT_EQ(out[i], std::accumulate(tile, tile + 64, 0u) + tile[63]) << i;
  }
}

TEST_F(Groups, Votes) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const auto in = integers<int>(64, -9, 9);
  std::uint32_t* out = poisoned<std::uint32_t>(64);
  go("votes", Arguments().add(buffer(in)).add(out), 1, 64);
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t ballot = 0, any = 0, same = 0;
    for (std::size_t k = 0; k < 16; ++k) {
      const int v = in[i / 16 * 16 + k];
      ballot |= (v > 0 ? 1u : 0u) << k;
      any |= v == 7 ? 1u : 0u;
      same += (v & 3) == (in[i] & 3) ? 1u : 0u;
    }
    ASSERT_EQ(out[i], ballot | any << 16 | 1u << 17 | same << 18) << i;
  }
}

TEST_F(Groups, TheGridMeetsInACooperativeLaunch) {
  LOAD_OUTSIDE(compile("groups.cu"));
  const int count = 5000;
  const auto in = integers<int>(count, -1000, 1000);
  int* partial = poisoned<int>(64 * 20);
  int* out = poisoned<int>(1);
  cooperative_ = true;
  go("grid_sum", Arguments().add(buffer(in)).add(partial).add(out).add(count), 20, 64);
  EXPECT_EQ(*out, std::accumulate(in.begin(), in.end(), 0));
}

}  // namespace
}  // namespace emulator::test
