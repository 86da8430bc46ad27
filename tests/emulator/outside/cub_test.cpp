// CUB's block and warp collectives and its scan of a whole grid, against plain loops on the host.
#include "outside.hpp"

namespace emulator::test {
namespace {

using Cub = Outside;

TEST_F(Cub, RadixSortOfPairs) {
  LOAD_OUTSIDE(compile("cub_sort.cu"));
  constexpr std::size_t kTile = 128 * 7, kBlocks = 3;
  for (const auto& [begin, end] : {std::pair{0, 32}, {5, 17}, {31, 32}}) {
    const auto keys = words(kTile * kBlocks);
    std::vector<std::uint32_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0u);
    std::uint32_t* k = buffer(keys);
    std::uint32_t* v = buffer(order);
    go("radix_pairs", Arguments().add(k).add(v).add(begin).add(end), kBlocks, 128);
    const auto digits = [&](std::uint32_t at) {
      return static_cast<std::uint64_t>(keys[at]) << (64 - end) >> (64 - end + begin);
    };
    for (std::size_t b = 0; b < kBlocks; ++b) {
      std::stable_sort(order.begin() + b * kTile, order.begin() + (b + 1) * kTile,
                       [&](std::uint32_t x, std::uint32_t y) { return digits(x) < digits(y); });
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(v[i], order[i]) << i;
      ASSERT_EQ(k[i], keys[order[i]]) << i;
    }
  }
}

TEST_F(Cub, RadixSortOfDoublesDescending) {
  LOAD_OUTSIDE(compile("cub_sort.cu"));
  auto keys = reals<double>(512, -1e300, 1e300);
  keys[3] = 0.0;
  keys[77] = INFINITY;
  double* out = poisoned<double>(512);
  go("radix_descending", Arguments().add(buffer(keys)).add(out), 1, 128,
     global<std::uint32_t>("radix_descending_bytes"));
  std::sort(keys.begin(), keys.end(), std::greater<>());
  for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(out[i], keys[i]) << i;
}

TEST_F(Cub, MergeSortIsStable) {
  LOAD_OUTSIDE(compile("cub_sort.cu"));
  for (const int count : {640, 639, 33, 1}) {
    const auto keys = integers<long long>(640, -20, 20);
    int* order = poisoned<int>(640);
    go("merge_pairs", Arguments().add(buffer(keys)).add(order).add(count), 1, 128);
    std::vector<int> expected(static_cast<std::size_t>(count));
    std::iota(expected.begin(), expected.end(), 0);
    std::stable_sort(expected.begin(), expected.end(), [&](int a, int b) {
      return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
    });
    for (int i = 0; i < count; ++i) ASSERT_EQ(order[i], expected[static_cast<std::size_t>(i)]) << i;
  }
}

TEST_F(Cub, BlockScans) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  const auto in = integers<int>(96 * 5, -1000, 1000);
  std::vector<int> expected(in.size());
  std::exclusive_scan(in.begin(), in.end(), expected.begin(), 0);
  for (const char* kernel : {"scan_raking", "scan_memoize", "scan_warps"}) {
    int* out = poisoned<int>(in.size());
    int* total = poisoned<int>(1);
    go(kernel, Arguments().add(buffer(in)).add(out).add(total), 1, 96);
    for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], expected[i]) << kernel << " " << i;
    ASSERT_EQ(*total, expected.back() + in.back()) << kernel;
  }
}

TEST_F(Cub, ScanWithAnOperatorThatDoesNotCommute) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  auto in = integers<long long>(96, -3, 3);
  for (auto& v : in) v *= std::uniform_int_distribution<int>(0, 2)(random_) == 0 ? 1'000'000'000'000 : 0;
  long long* out = poisoned<long long>(96);
  go("scan_last", Arguments().add(buffer(in)).add(out), 1, 96);
  long long last = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    last = in[i] != 0 ? in[i] : last;
    ASSERT_EQ(out[i], last) << i;
  }
}

TEST_F(Cub, BlockReductions) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  for (const int count : {96, 95, 32, 1}) {
    const auto in = reals<double>(96, -5, 5);
    double* out = poisoned<double>(3);
    go("reduce_all", Arguments().add(buffer(in)).add(out).add(count), 1, 96);
    const double expected = *std::max_element(in.begin(), in.begin() + count);
    for (int k = 0; k < 3; ++k) ASSERT_EQ(out[k], expected) << count << " " << k;
  }
}

TEST_F(Cub, LogicalWarpsAndSegments) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  const auto in = words(96);
  std::uint32_t* sums = poisoned<std::uint32_t>(12);
  std::uint32_t* scans = poisoned<std::uint32_t>(96);
  go("small_warps", Arguments().add(buffer(in)).add(sums).add(scans), 1, 96);
  for (std::size_t w = 0; w < 12; ++w) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 8; ++i) ASSERT_EQ(scans[w * 8 + i], sum += in[w * 8 + i]);
    ASSERT_EQ(sums[w], sum);
  }
  const auto values = integers<int>(96, -50, 50);
  auto heads = integers<int>(96, 0, 4);
  for (int& h : heads) h = h == 0 ? 1 : 0;
  int* out = poisoned<int>(96);
  go("segments", Arguments().add(buffer(values)).add(buffer(heads)).add(out), 1, 96);
  for (std::size_t i = 0; i < 96; ++i) {
    if (heads[i] == 0 && i % 32 != 0) continue;  // only the heads hold a sum
    int sum = values[i];
    for (std::size_t k = i + 1; k % 32 != 0 && heads[k] == 0; ++k) sum += values[k];
    ASSERT_EQ(out[i], sum) << i;
  }
}

TEST_F(Cub, LoadsExchangesAndStores) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  for (const int count : {384, 383, 250, 7}) {
    const auto in = integers<int>(384, 0, 1'000'000);
    int* striped = poisoned<int>(384);
    int* out = poisoned<int>(384);
    go("exchange", Arguments().add(buffer(in)).add(striped).add(out).add(count), 1, 96);
    for (int i = 0; i < count; ++i) ASSERT_EQ(out[i], in[static_cast<std::size_t>(i)]) << i;
    for (int t = 0; t < 96; ++t) {
      for (int k = 0; k < 4; ++k) {
        const int from = k * 96 + t;
        ASSERT_EQ(striped[t * 4 + k], from < count ? in[static_cast<std::size_t>(from)] : -1) << t << " " << k;
      }
    }
  }
}

TEST_F(Cub, Histograms) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  const auto in = integers<std::uint8_t>(384, 0, 200);
  std::uint32_t* sorted = poisoned<std::uint32_t>(256);
  std::uint32_t* atomic = poisoned<std::uint32_t>(256);
  go("histogram", Arguments().add(buffer(in)).add(sorted).add(atomic), 1, 96);
  for (std::size_t bin = 0; bin < 256; ++bin) {
    const auto expected = static_cast<std::uint32_t>(std::count(in.begin(), in.end(), static_cast<std::uint8_t>(bin)));
    ASSERT_EQ(sorted[bin], expected) << bin;
    ASSERT_EQ(atomic[bin], expected) << bin;
  }
}

TEST_F(Cub, Neighbours) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  const auto in = integers<int>(192, 0, 3);
  int* differences = poisoned<int>(192);
  int* heads = poisoned<int>(192);
  int* rotated = poisoned<int>(96);
  go("neighbours", Arguments().add(buffer(in)).add(differences).add(heads).add(rotated), 1, 96);
  for (std::size_t i = 0; i < 192; ++i) {
    ASSERT_EQ(differences[i], i == 0 ? in[0] : in[i] - in[i - 1]) << i;
    ASSERT_EQ(heads[i], i == 0 || in[i] != in[i - 1] ? 1 : 0) << i;
  }
  for (std::size_t t = 0; t < 96; ++t) ASSERT_EQ(rotated[t], in[(t + 3) % 96 * 2]) << t;
}

TEST_F(Cub, WarpMergeSort) {
  LOAD_OUTSIDE(compile("cub_scan.cu"));
  auto in = reals<float>(288, -1, 1);
  float* out = poisoned<float>(288);
  go("warp_sort", Arguments().add(buffer(in)).add(out), 1, 96);
  for (std::size_t w = 0; w < 6; ++w) std::sort(in.begin() + w * 48, in.begin() + (w + 1) * 48);
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], in[i]) << i;
}

/// Each tile waits for the one before it, which may not have begun.
TEST_F(Cub, ScanOfAGridLooksBack) {
  LOAD_OUTSIDE(compile("cub_lookback.cu"));
  const int tiles = 40, count = tiles * 512 - 77;
  const std::size_t bytes = 4096;
  auto* state = reinterpret_cast<std::byte*>(memory_.allocate(256));
  auto* wide = reinterpret_cast<std::byte*>(memory_.allocate(256));
  const std::uint64_t for_state = memory_.allocate(bytes), for_wide = memory_.allocate(bytes);
  go("describe", Arguments().add(for_state).add(for_wide).add(bytes).add(tiles).add(state).add(wide), 1, 1);
  const auto states = [&](Arguments arguments, const std::byte* from, std::uint32_t size) {
    for (std::uint32_t k = 0; k < size; k += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, from + k, 8);
      arguments.add(word);
    }
    return arguments;
  };
  const auto state_bytes = global<std::uint32_t>("state_bytes"), wide_bytes = global<std::uint32_t>("wide_bytes");
  go("prepare", states(states(Arguments(), state, state_bytes), wide, wide_bytes).add(tiles), 1, 128);
  const auto in = integers<int>(static_cast<std::size_t>(count), -100, 100);
  int* out = poisoned<int>(in.size());
  go("scan_int", states(Arguments().add(buffer(in)).add(out), state, state_bytes).add(count), tiles, 128);
  std::vector<int> expected(in.size());
  std::inclusive_scan(in.begin(), in.end(), expected.begin());
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], expected[i]) << i;
  std::vector<double> numbers(in.begin(), in.end());
  double* sums = poisoned<double>(in.size());
  go("scan_double", states(Arguments().add(buffer(numbers)).add(sums), wide, wide_bytes).add(count), tiles, 128);
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(sums[i], static_cast<double>(expected[i])) << i;
}

}  // namespace
}  // namespace emulator::test
