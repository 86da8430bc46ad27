// Integer and bit intrinsics, the byte-wise functions, long carries, votes and atomics, against the host's arithmetic.
#include <bit>

#include "outside.hpp"

namespace emulator::test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
__extension__ using u128 = unsigned __int128;
__extension__ using s128 = __int128;

using Intrinsics = Outside;

u32 reversed(u32 v) {
  u32 r = 0;
  for (unsigned i = 0; i < 32; ++i) r |= (v >> i & 1u) << (31 - i);
  return r;
}
u32 permuted(u32 x, u32 y, u32 selector) {
  const u64 both = static_cast<u64>(y) << 32 | x;
  u32 r = 0;
  for (unsigned k = 0; k < 4; ++k) {
    const u32 which = selector >> 4 * k & 7;
    r |= static_cast<u32>(both >> 8 * which & 0xFF) << 8 * k;
  }
  return r;
}
template <class T>
T byte_of(u32 v, unsigned k) {
  return static_cast<T>(v >> 8 * k);
}
u32 dot4(u32 x, u32 y, u32 z, bool is_signed) {
  for (unsigned k = 0; k < 4; ++k) {
    z += is_signed ? static_cast<u32>(byte_of<std::int8_t>(x, k) * byte_of<std::int8_t>(y, k))
                   : static_cast<u32>(byte_of<std::uint8_t>(x, k)) * byte_of<std::uint8_t>(y, k);
  }
  return z;
}

TEST_F(Intrinsics, Integers) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  const auto a = words(512), b = words(512), c = words(512);
  u64* out = poisoned<u64>(512 * 24);
  go("integers", Arguments().add(buffer(a)).add(buffer(b)).add(buffer(c)).add(out), 2, 256);
  for (std::size_t i = 0; i < 512; ++i) {
    const u32 x = a[i], y = b[i], z = c[i];
    const auto sx = static_cast<s32>(x), sy = static_cast<s32>(y), sz = static_cast<s32>(z);
    const u64 xy = static_cast<u64>(x) << 32 | y, yz = static_cast<u64>(y) << 32 | z,
              zx = static_cast<u64>(z) << 32 | x;
    const unsigned shift = z & 31, clamp = z < 32 ? z : 32;
    const auto signed24 = [](u32 v) { return static_cast<s32>(v << 8) >> 8; };
    u32 low2 = z, high2 = z;
    for (unsigned k = 0; k < 2; ++k) {
      low2 += static_cast<u32>(static_cast<std::int16_t>(x >> 16 * k) * byte_of<std::int8_t>(y, k));
      high2 += (x >> 16 * k & 0xFFFF) * byte_of<std::uint8_t>(y, k + 2);
    }
    const u64 expected[24] = {
        permuted(x, y, z),
        reversed(x),
        static_cast<u32>(std::countl_zero(x) + 100 * (y == 0 ? 0 : std::countr_zero(y) + 1) + 10000 * std::popcount(z)),
        static_cast<u32>((static_cast<u64>(y) << 32 | x) << shift >> 32),
        static_cast<u32>((static_cast<u64>(y) << 32 | x) >> clamp),
        static_cast<u64>(x) * y >> 32,
        static_cast<u32>(static_cast<u64>(static_cast<s64>(sx) * sy) >> 32),
        static_cast<u32>((x & 0xFFFFFF) * (y & 0xFFFFFF)),
        static_cast<u32>(static_cast<s64>(signed24(x)) * signed24(y)),
        static_cast<u32>((x > y ? x - y : y - x) + z),
        static_cast<u32>(static_cast<u32>(std::abs(static_cast<s64>(sx) - sy)) + z),
        dot4(x, y, z, true),
        dot4(x, y, z, false),
        low2,
        high2,
        static_cast<u64>(static_cast<u32>((static_cast<s64>(sx) + sy) >> 1)) + ((static_cast<u64>(x) + y + 1) >> 1),
        static_cast<u64>(static_cast<u128>(xy) * yz >> 64),
        static_cast<u64>(static_cast<s128>(static_cast<s64>(xy)) * static_cast<s64>(zx) >> 64),
        xy / (z | 1),
        static_cast<u64>(static_cast<s64>(xy) % static_cast<s64>(static_cast<s32>(z | 1))),
        (static_cast<u64>(reversed(y)) << 32 | reversed(x)) +
            static_cast<u64>(std::countl_zero(static_cast<u64>(y) << 8)) +
            static_cast<u64>(std::popcount(static_cast<u64>(x) << 32 | z)),
        x / (y % 1000 + 1) + x % (z % 77 + 1),
        (x & y) ^ (~z | x) ^ (y & ~x & z),
        static_cast<u64>(static_cast<s64>(static_cast<std::int16_t>(x >> 3))) ^ static_cast<std::uint8_t>(y >> 11)};
    static_cast<void>(sz);
    for (std::size_t k = 0; k < 24; ++k)
      ASSERT_EQ(out[i * 24 + k], expected[k]) << k << ": " << x << " " << y << " " << z;
  }
}

template <class F>
u32 parts(unsigned bits, u32 x, u32 y, bool is_signed, F f) {
  u32 r = 0;
  const u32 mask = bits == 8 ? 0xFF : 0xFFFF;
  for (unsigned at = 0; at < 32; at += bits) {
    const auto part = [&](u32 v) {
      const u32 raw = v >> at & mask;
      return is_signed && (raw >> (bits - 1)) != 0 ? static_cast<int>(raw) - static_cast<int>(mask) - 1
                                                   : static_cast<int>(raw);
    };
    r |= (static_cast<u32>(f(part(x), part(y))) & mask) << at;
  }
  return r;
}

TEST_F(Intrinsics, BytesAndHalves) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  const auto a = words(512), b = words(512);
  u32* out = poisoned<u32>(512 * 16);
  go("bytes", Arguments().add(buffer(a)).add(buffer(b)).add(out), 2, 256);
  const auto clamp = [](int v, int low, int high) { return std::min(high, std::max(low, v)); };
  for (std::size_t i = 0; i < 512; ++i) {
    const u32 x = a[i], y = b[i];
    const auto add = [](int p, int q) { return p + q; };
    const auto subtract = [](int p, int q) { return p - q; };
    u32 sads = 0;
    for (unsigned k = 0; k < 4; ++k)
      sads += static_cast<u32>(std::abs(byte_of<std::int8_t>(x, k) - byte_of<std::int8_t>(y, k)));
    const u32 expected[16] = {parts(8, x, y, false, add),
                              parts(8, x, y, false, subtract),
                              parts(8, x, y, false, [&](int p, int q) { return clamp(p + q, 0, 255); }),
                              parts(8, x, y, true, [&](int p, int q) { return clamp(p + q, -128, 127); }),
                              parts(8, x, y, false, [&](int p, int q) { return clamp(p - q, 0, 255); }),
                              parts(8, x, y, false, [](int p, int q) { return std::abs(p - q); }),
                              parts(8, x, y, false, [](int p, int q) { return (p + q + 1) / 2; }),
                              parts(8, x, y, true, [](int p, int q) { return std::max(p, q); }),
                              parts(8, x, y, false, [](int p, int q) { return std::min(p, q); }),
                              parts(8, x, y, false, [](int p, int q) { return p > q ? 255 : 0; }),
                              parts(8, x, y & 0x00FF00FF, false, [](int p, int q) { return p == q ? 1 : 0; }),
                              parts(16, x, y, false, add),
                              parts(16, x, y, true, [&](int p, int q) { return clamp(p - q, -32768, 32767); }),
                              parts(16, x, y, false, [](int p, int q) { return std::max(p, q); }),
                              sads,
                              parts(16, x, y, true, [](int p, int) { return std::abs(p); }) ^
                                  parts(8, y, y, true, [](int p, int) { return -p; })};
    for (std::size_t k = 0; k < 16; ++k) ASSERT_EQ(out[i * 16 + k], expected[k]) << k << ": " << x << " " << y;
  }
}

TEST_F(Intrinsics, LongCarries) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  std::vector<u64> a(256), b(256);
  for (auto* list : {&a, &b}) {
    for (u64& v : *list) v = random_() % 4 == 0 ? ~u64{0} : random_();
  }
  u64* out = poisoned<u64>(128 * 6);
  go("carries", Arguments().add(buffer(a)).add(buffer(b)).add(out), 1, 128);
  u64* wide = poisoned<u64>(128 * 8);
  go("wide_integers", Arguments().add(buffer(a)).add(buffer(b)).add(wide), 1, 128);
  for (std::size_t t = 0; t < 128; ++t) {
    const u128 x = static_cast<u128>(a[2 * t + 1]) << 64 | a[2 * t],
               y = static_cast<u128>(b[2 * t + 1]) << 64 | b[2 * t];
    ASSERT_EQ(out[6 * t], static_cast<u64>(x + y));
    ASSERT_EQ(out[6 * t + 1], static_cast<u64>((x + y) >> 64));
    const auto half = [](u64 p, u64 q) { return static_cast<u128>(p) * q; };
    const u128 p00 = half(a[2 * t], b[2 * t]), p01 = half(a[2 * t], b[2 * t + 1]), p10 = half(a[2 * t + 1], b[2 * t]),
               p11 = half(a[2 * t + 1], b[2 * t + 1]);
    const u128 middle = (p00 >> 64) + static_cast<u64>(p01) + static_cast<u64>(p10);
    const u128 top = p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64);
    ASSERT_EQ(out[6 * t + 2], static_cast<u64>(p00));
    ASSERT_EQ(out[6 * t + 3], static_cast<u64>(middle));
    ASSERT_EQ(out[6 * t + 4], static_cast<u64>(top));
    ASSERT_EQ(out[6 * t + 5], static_cast<u64>(top >> 64));
    const u128 d = static_cast<u128>(b[2 * t + 1] >> 40) << 64 | b[2 * t] | 1;
    const u128 expected[4] = {x * d, x / d, x % d, x >> (a[2 * t] & 127)};
    for (std::size_t k = 0; k < 4; ++k) {
      ASSERT_EQ(wide[8 * t + 2 * k], static_cast<u64>(expected[k])) << k;
      ASSERT_EQ(wide[8 * t + 2 * k + 1], static_cast<u64>(expected[k] >> 64)) << k;
    }
  }
}

TEST_F(Intrinsics, WholeWarps) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  for (int round = 0; round < 3; ++round) {
    const auto in = integers<int>(32, -3, 6);
    u32* out = poisoned<u32>(32 * 14);
    go("warp_wide", Arguments().add(buffer(in)).add(out), 1, 32);
    const int* v = in.data();
    u32 ballot = 0, sum = 0, exclusive = 0, largest = 0;
    for (unsigned k = 0; k < 32; ++k) {
      ballot |= (v[k] > 0 ? 1u : 0u) << k;
      sum += static_cast<u32>(v[k]);
      exclusive ^= static_cast<u32>(v[k]);
      largest = std::max(largest, static_cast<u32>(v[k]));
    }
    const bool three = std::count(v, v + 32, 3) != 0;
    const bool same = std::all_of(v, v + 32, [&](int e) { return e >> 10 == v[0] >> 10; });
    u32 second = ~0u;
    for (unsigned k = 0, seen = 0; k < 32 && second == ~0u; ++k) {
      if ((ballot >> k & 1) != 0 && ++seen == 2) second = k;
    }
    for (unsigned k = 0; k < 32; ++k) {
      const u32* r = out + k * 14;
      u32 equal = 0, in_branch = 0;
      for (unsigned j = 0; j < 32; ++j) {
        equal |= (v[j] == v[k] ? 1u : 0u) << j;
        const bool member = (0x49249249u >> j & 1) != 0;
        in_branch |= (member && v[j] == v[k] ? 1u : 0u) << j;
      }
      const u32 members = 0x49249249u;
      const bool branch = k % 3 == 0;
      EXPECT_EQ(r[0], ballot);
      EXPECT_EQ(r[1], (three ? 1u : 0u) + 2 + 4 * (ballot == 0 || ballot == ~0u ? 1u : 0u));
      EXPECT_EQ(r[2], equal);
      EXPECT_EQ(r[3], same ? ~0u : 0u);
      EXPECT_EQ(r[4], same ? 1u : 0u);
      EXPECT_EQ(r[5], sum);
      EXPECT_EQ(r[6], static_cast<u32>(*std::min_element(v, v + 32)));
      EXPECT_EQ(r[7], largest);
      EXPECT_EQ(r[8], exclusive);
      EXPECT_EQ(r[9], static_cast<u32>(v[v[k] & 31]));
      EXPECT_EQ(r[10], static_cast<u32>(v[k % 16 >= 3 ? k - 3 : k]));
      EXPECT_EQ(r[11], static_cast<u32>(v[k ^ 5]));
      EXPECT_EQ(r[12], second);
      EXPECT_EQ(r[13], branch ? static_cast<u32>(std::popcount(members)) + in_branch : 0u) << k;
    }
  }
}

TEST_F(Intrinsics, BlockVotesAndAtomics) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  const auto in = integers<int>(3 * 100, 0, 95);
  int* votes = poisoned<int>(300);
  go("block_votes", Arguments().add(buffer(in)).add(votes), 3, 100);
  for (std::size_t i = 0; i < 300; ++i) {
    const auto first = in.begin() + static_cast<std::ptrdiff_t>(i / 100 * 100);
    const auto count = [&](auto f) { return static_cast<int>(std::count_if(first, first + 100, f)); };
    const int expected = count([](int v) { return (v & 1) != 0; }) * 4 +
                         (count([](int v) { return v < 90; }) == 100) * 2 + (count([](int v) { return v == 5; }) != 0);
    ASSERT_EQ(votes[i], expected) << i;
  }
  int* i = buffer(zeros<int>(4));
  u32* u = buffer(std::vector<u32>{~0u, 0, 0, 0, 0, 0, 0, 0});
  u64* l = buffer(zeros<u64>(2));
  float* f = buffer(zeros<float>(1));
  double* d = buffer(zeros<double>(1));
  go("atomics", Arguments().add(i).add(u).add(l).add(f).add(d), 4, 96);
  const int n = 4 * 96, sum = n * (n - 1) / 2;
  EXPECT_EQ(i[0], sum);
  EXPECT_EQ(i[1], -sum);
  EXPECT_EQ(i[2], 1 - n);
  EXPECT_EQ(i[3], n - 1);
  EXPECT_EQ(u[0], 0u);
  EXPECT_EQ(u[1], ~0u);
  u32 exclusive = 0;
  for (u32 t = 0; t < static_cast<u32>(n); ++t) exclusive ^= t;
  EXPECT_EQ(u[2], exclusive);
  EXPECT_EQ(u[3], static_cast<u32>(n % 10));
  EXPECT_EQ(u[4], static_cast<u32>((10 - n % 10) % 10));
  EXPECT_EQ(u[5], 4u * 96);
  EXPECT_EQ(u[6], static_cast<u32>(n - 1));
  EXPECT_EQ(u[7], 4u * 8);
  EXPECT_EQ(l[0], static_cast<u64>(sum) << 33);
  EXPECT_EQ(l[1], static_cast<u64>(n - 1) << 33);
  EXPECT_EQ(*f, 0.5f * static_cast<float>(n));
  EXPECT_EQ(*d, 0.25 * n);
}

TEST_F(Intrinsics, ClocksAndKindsOfLoads) {
  LOAD_OUTSIDE(compile("intrinsics.cu"));
  long long* clocks = poisoned<long long>(32);
  go("clocks", Arguments().add(clocks), 1, 32);
  for (int t = 0; t < 32; ++t) EXPECT_EQ(clocks[t], 1);
  const auto in = words(4 * 64), scalars = words(64);
  u32* out = poisoned<u32>(4 * 64);
  std::uint16_t* halves = poisoned<std::uint16_t>(64);
  go("memory_kinds", Arguments().add(buffer(in)).add(out).add(buffer(scalars)).add(halves), 1, 64);
  for (std::size_t t = 0; t < 64; ++t) {
    ASSERT_EQ(out[4 * t], in[4 * t] + 4 * scalars[t]) << t;
    for (std::size_t k = 1; k < 4; ++k) ASSERT_EQ(out[4 * t + k], in[4 * t + k]) << t;
    ASSERT_EQ(halves[t], static_cast<std::uint16_t>(in[4 * t + 1])) << t;
  }
}

}  // namespace
}  // namespace emulator::test
