// Integer, logic and bit instructions against their definitions in wide arithmetic.
#include <bit>
#include <functional>
#include <limits>

#include "machine.hpp"

namespace emulator::test {
namespace {

__extension__ using Wide = __int128;

class Integers : public Machine {
 protected:
  Integers() : seed_(fresh_seed()), random_(seed_) {}

  /// Random bits, with small numbers, extremes and single bits among them.
  template <class T>
  std::vector<T> values(std::size_t count = 1500) {
    std::vector<T> result(count);
    for (T& v : result) {
      switch (random_() % 4) {
        case 0:
          v = static_cast<T>(random_() % 64 - 8);
          break;
        case 1:
          v = static_cast<T>(std::numeric_limits<T>::min() - static_cast<T>(random_() % 3));
          break;
        case 2:
          v = static_cast<T>(std::uint64_t{1} << random_() % (8 * sizeof(T)));
          break;
        default:
          v = static_cast<T>(random_());
          break;
      }
    }
    return result;
  }

  template <class D, class A, class B, class C>
  void check(const std::string& text, const std::vector<A>& a, const std::vector<B>& b, const std::vector<C>& c,
             const std::function<D(A, B, C)>& wanted) {
    SCOPED_TRACE(text + ", OSDN_TEST_SEED=" + std::to_string(seed_));
    const std::vector<D> d = each<D>(text, a, b, c);
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(d[i], wanted(a[i], b[i], c[i])) << "a = " << +a[i] << ", b = " << +b[i] << ", c = " << +c[i];
    }
  }

  template <class T>
  void arithmetic(const std::string& type) {
    using D = T;
    const std::vector<T> a = values<T>(), b = values<T>(), c = values<T>();
    const auto fold = [](Wide v) { return static_cast<T>(static_cast<std::uint64_t>(v)); };
    const auto go = [&](const std::string& text, const std::function<D(T, T, T)>& f) {
      check<D, T, T, T>(text, a, b, c, f);
    };
    constexpr int kBits = 8 * sizeof(T);
    go("add." + type + " d, a, b;", [&](T x, T y, T) { return fold(Wide(x) + Wide(y)); });
    go("sub." + type + " d, a, b;", [&](T x, T y, T) { return fold(Wide(x) - Wide(y)); });
    go("mul.lo." + type + " d, a, b;", [&](T x, T y, T) { return fold(Wide(x) * Wide(y)); });
    go("mul.hi." + type + " d, a, b;", [&](T x, T y, T) {
      if constexpr (std::is_same_v<T, std::uint64_t>) {
        __extension__ using U = unsigned __int128;
        return static_cast<T>((U(x) * U(y)) >> 64);
      } else {
        return fold((Wide(x) * Wide(y)) >> kBits);
      }
    });
    go("mad.lo." + type + " d, a, b, c;", [&](T x, T y, T z) { return fold(Wide(x) * Wide(y) + Wide(z)); });
    go("min." + type + " d, a, b;", [](T x, T y, T) { return std::min(x, y); });
    go("max." + type + " d, a, b;", [](T x, T y, T) { return std::max(x, y); });
    go("sad." + type + " d, a, b, c;",
       [&](T x, T y, T z) { return fold(Wide(z) + (x < y ? Wide(y) - Wide(x) : Wide(x) - Wide(y))); });
    go("setp.ne." + type + " p, b, 0;\n@!p mov.b" + std::to_string(kBits) + " d, 7;\n@p div." + type + " d, a, b;",
       [&](T x, T y, T) { return y == 0 ? T{7} : fold(Wide(x) / Wide(y)); });
    go("setp.ne." + type + " p, b, 0;\n@!p mov.b" + std::to_string(kBits) + " d, 7;\n@p rem." + type + " d, a, b;",
       [&](T x, T y, T) { return y == 0 ? T{7} : fold(Wide(x) % Wide(y)); });
    if constexpr (std::is_signed_v<T>) {
      go("abs." + type + " d, a;", [&](T x, T, T) { return fold(x < 0 ? -Wide(x) : Wide(x)); });
      go("neg." + type + " d, a;", [&](T x, T, T) { return fold(-Wide(x)); });
    }
    const std::vector<std::uint32_t> amounts = [&] {
      std::vector<std::uint32_t> result(a.size());
      for (auto& v : result)
        v = random_() % 5 == 0 ? static_cast<std::uint32_t>(random_()) : static_cast<std::uint32_t>(random_() % 70);
      return result;
    }();
    check<T, T, std::uint32_t, T>("shr." + type + " d, a, b;", a, amounts, c, [&](T x, std::uint32_t n, T) {
      return fold(n >= static_cast<std::uint32_t>(kBits) ? (x < 0 ? Wide(-1) : Wide(0)) : Wide(x) >> n);
    });
    check<T, T, std::uint32_t, T>(
        "shl.b" + std::to_string(kBits) + " d, a, b;", a, amounts, c,
        [&](T x, std::uint32_t n, T) { return n >= static_cast<std::uint32_t>(kBits) ? T{0} : fold(Wide(x) << n); });
    check<std::uint32_t, T, T, T>("setp.lt." + type + " p, a, b;\nselp.u32 d, 1, 0, p;", a, b, c,
                                  [](T x, T y, T) { return x < y ? 1u : 0u; });
    check<std::uint32_t, T, T, T>("setp.ge." + type + " p|q, a, b;\nselp.u32 d, 1, 0, q;", a, b, c,
                                  [](T x, T y, T) { return x < y ? 1u : 0u; });
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Integers, ArithmeticOf16Bits) {
  arithmetic<std::uint16_t>("u16");
  arithmetic<std::int16_t>("s16");
}
TEST_F(Integers, ArithmeticOf32Bits) {
  arithmetic<std::uint32_t>("u32");
  arithmetic<std::int32_t>("s32");
}
TEST_F(Integers, ArithmeticOf64Bits) {
  arithmetic<std::uint64_t>("u64");
  arithmetic<std::int64_t>("s64");
}

TEST_F(Integers, WideProducts) {
  const auto a = values<std::int32_t>(), b = values<std::int32_t>();
  const auto c = values<std::int64_t>();
  check<std::int64_t, std::int32_t, std::int32_t, std::int64_t>(
      "mad.wide.s32 d, a, b, c;", a, b, c, [](auto x, auto y, auto z) {
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(std::int64_t{x} * y) +
                                         static_cast<std::uint64_t>(z));
      });
  const auto ua = values<std::uint32_t>(), ub = values<std::uint32_t>();
  check<std::uint64_t, std::uint32_t, std::uint32_t, std::int64_t>(
      "mul.wide.u32 d, a, b;", ua, ub, c, [](auto x, auto y, auto) { return std::uint64_t{x} * y; });
  const auto ha = values<std::int16_t>(), hb = values<std::int16_t>();
  check<std::int32_t, std::int16_t, std::int16_t, std::int64_t>("mul.wide.s16 d, a, b;", ha, hb, c,
                                                                [](auto x, auto y, auto) { return x * y; });
  check<std::int32_t, std::int32_t, std::int32_t, std::int64_t>(
      "mul24.lo.s32 d, a, b;", a, b, c, [](auto x, auto y, auto) {
        const auto low = [](std::int32_t v) {
          return std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(v) << 8) >> 8};
        };
        return static_cast<std::int32_t>(low(x) * low(y));
      });
  check<std::uint32_t, std::uint32_t, std::uint32_t, std::int64_t>(
      "mul24.hi.u32 d, a, b;", ua, ub, c, [](auto x, auto y, auto) {
        return static_cast<std::uint32_t>((std::uint64_t{x & 0xFFFFFFu} * (y & 0xFFFFFFu)) >> 16);
      });
}

TEST_F(Integers, Saturation) {
  const auto a = values<std::int32_t>(), b = values<std::int32_t>(), c = values<std::int32_t>();
  const auto clamp = [](std::int64_t v) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(v, INT32_MIN, INT32_MAX));
  };
  check<std::int32_t, std::int32_t, std::int32_t, std::int32_t>(
      "add.sat.s32 d, a, b;", a, b, c, [&](auto x, auto y, auto) { return clamp(std::int64_t{x} + y); });
  check<std::int32_t, std::int32_t, std::int32_t, std::int32_t>(
      "sub.sat.s32 d, a, b;", a, b, c, [&](auto x, auto y, auto) { return clamp(std::int64_t{x} - y); });
}

TEST_F(Integers, CarriesMakeWideArithmetic) {
  using U = std::uint64_t;
  __extension__ using UU = unsigned __int128;
  const auto a = values<U>(), b = values<U>(), c = values<U>();
  const std::string split =
      "{.reg .b32 al, ah, bl, bh, cl, ch, dl, dh;\nmov.b64 {al, ah}, a;\nmov.b64 {bl, bh}, b;\nmov.b64 {cl, ch}, c;\n";
  const std::string join = "mov.b64 d, {dl, dh};}";
  check<U, U, U, U>(split + "add.cc.u32 dl, al, bl;\naddc.u32 dh, ah, bh;\n" + join, a, b, c,
                    [](U x, U y, U) { return x + y; });
  check<U, U, U, U>(split + "sub.cc.u32 dl, al, bl;\nsubc.u32 dh, ah, bh;\n" + join, a, b, c,
                    [](U x, U y, U) { return x - y; });
  check<U, U, U, U>(split + "mad.lo.cc.u32 dl, al, bl, cl;\nmadc.hi.u32 dh, al, bl, ch;\n" + join, a, b, c,
                    [](U x, U y, U z) { return (x & 0xFFFFFFFFu) * (y & 0xFFFFFFFFu) + z; });
  // The carry out of 128 bits.
  check<U, U, U, U>("{.reg .b64 t;\nadd.cc.u64 t, a, b;\naddc.cc.u64 t, t, c;\naddc.u64 d, 0, 0;}", a, b, c,
                    [](U x, U y, U z) {
                      const UU first = UU(x) + y;
                      return static_cast<U>((UU(static_cast<U>(first)) + z + static_cast<U>(first >> 64)) >> 64);
                    });
}

TEST_F(Integers, BitCountsAndFields) {
  using U = std::uint32_t;
  const auto a = values<U>(), b = values<U>(), c = values<U>();
  const auto s = values<std::int32_t>();
  const auto w = values<std::uint64_t>();
  check<U, U, U, U>("popc.b32 d, a;", a, b, c, [](U x, U, U) { return static_cast<U>(std::popcount(x)); });
  check<U, U, U, U>("clz.b32 d, a;", a, b, c, [](U x, U, U) { return static_cast<U>(std::countl_zero(x)); });
  check<U, std::uint64_t, U, U>("clz.b64 d, a;", w, b, c,
                                [](auto x, U, U) { return static_cast<U>(std::countl_zero(x)); });
  check<U, std::uint64_t, U, U>("popc.b64 d, a;", w, b, c,
                                [](auto x, U, U) { return static_cast<U>(std::popcount(x)); });
  check<U, U, U, U>("brev.b32 d, a;", a, b, c, [](U x, U, U) {
    U r = 0;
    for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
    return r;
  });
  check<U, U, U, U>("bfind.u32 d, a;", a, b, c,
                    [](U x, U, U) { return x == 0 ? ~0u : 31u - static_cast<U>(std::countl_zero(x)); });
  check<U, std::int32_t, U, U>("bfind.shiftamt.s32 d, a;", s, b, c, [](std::int32_t x, U, U) {
    const U v = static_cast<U>(x < 0 ? ~x : x);
    return v == 0 ? ~0u : static_cast<U>(std::countl_zero(v));
  });
  // bfe and bfi as the manual's loops spell them.
  const auto extract = [](U x, U position, U length, bool is_signed) {
    const U pos = position & 0xFF, len = length & 0xFF;
    const auto bit = [&](U at) { return x >> at & 1u; };
    const U sign = !is_signed || len == 0 ? 0 : bit(std::min(pos + len - 1, 31u));
    U d = 0;
    for (U i = 0; i < 32; ++i) d |= (i < len && pos + i <= 31 ? bit(pos + i) : sign) << i;
    return d;
  };
  std::vector<U> small(a.size()), tiny(a.size());
  for (U& v : small) v = random_() % 9 == 0 ? static_cast<U>(random_()) : static_cast<U>(random_() % 40);
  for (U& v : tiny) v = random_() % 9 == 0 ? static_cast<U>(random_()) : static_cast<U>(random_() % 40);
  check<U, U, U, U>("bfe.u32 d, a, b, c;", a, small, tiny, [&](U x, U y, U z) { return extract(x, y, z, false); });
  check<U, U, U, U>("bfe.s32 d, a, b, c;", a, small, tiny, [&](U x, U y, U z) { return extract(x, y, z, true); });
  check<U, U, U, U>("bfi.b32 d, a, 0x5A5A1234, b, c;", a, small, tiny, [](U x, U position, U length) {
    const U pos = position & 0xFF, len = length & 0xFF;
    U d = 0x5A5A1234;
    for (U i = 0; i < len && pos + i <= 31; ++i) d = (d & ~(1u << (pos + i))) | (x >> i & 1u) << (pos + i);
    return d;
  });
}

TEST_F(Integers, LookupPermuteAndFunnelShift) {
  using U = std::uint32_t;
  const auto a = values<U>(), b = values<U>(), c = values<U>();
  for (const U table : {0x80u, 0xFEu, 0x96u, 0xE8u, 0xC5u, 0x1Bu, 0u, 0xFFu, 0x3Au}) {
    check<U, U, U, U>("lop3.b32 d, a, b, c, " + std::to_string(table) + ";", a, b, c, [table](U x, U y, U z) {
      U d = 0;
      for (int i = 0; i < 32; ++i) {
        const U index = (x >> i & 1u) * 4 + (y >> i & 1u) * 2 + (z >> i & 1u);
        d |= (table >> index & 1u) << i;
      }
      return d;
    });
  }
  check<U, U, U, U>("prmt.b32 d, a, b, c;", a, b, c, [](U x, U y, U z) {
    const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
    U d = 0;
    for (int k = 0; k < 4; ++k) {
      const U pick = z >> 4 * k & 0xFu;
      U byte = static_cast<U>(bytes >> 8 * (pick & 7u)) & 0xFFu;
      if ((pick & 8u) != 0) byte = (byte & 0x80u) != 0 ? 0xFFu : 0;
      d |= byte << 8 * k;
    }
    return d;
  });
  const auto funnel = [](U low, U high, U n) { return static_cast<U>((std::uint64_t{high} << 32 | low) >> n); };
  check<U, U, U, U>("shf.r.wrap.b32 d, a, b, c;", a, b, c, [&](U x, U y, U z) { return funnel(x, y, z & 31); });
  check<U, U, U, U>("shf.r.clamp.b32 d, a, b, c;", a, b, c,
                    [&](U x, U y, U z) { return funnel(x, y, std::min(z, 32u)); });
  check<U, U, U, U>("shf.l.wrap.b32 d, a, b, c;", a, b, c,
                    [&](U x, U y, U z) { return (z & 31) == 0 ? y : funnel(x, y, 32 - (z & 31)); });
  check<U, U, U, U>("shf.l.clamp.b32 d, a, b, c;", a, b, c,
                    [&](U x, U y, U z) { return z >= 32 ? x : funnel(x, y, 32 - z); });
}

TEST_F(Integers, DotProducts) {
  using U = std::uint32_t;
  const auto a = values<U>(), b = values<U>(), c = values<U>();
  check<U, U, U, U>("dp4a.s32.u32 d, a, b, c;", a, b, c, [](U x, U y, U z) {
    for (int k = 0; k < 4; ++k) {
      z += static_cast<U>(static_cast<std::int8_t>(x >> 8 * k) * static_cast<int>(y >> 8 * k & 0xFF));
    }
    return z;
  });
  check<U, U, U, U>("dp2a.hi.u32.s32 d, a, b, c;", a, b, c, [](U x, U y, U z) {
    for (int k = 0; k < 2; ++k) {
      z += static_cast<U>(static_cast<int>(x >> 16 * k & 0xFFFF) * static_cast<std::int8_t>(y >> (16 + 8 * k)));
    }
    return z;
  });
}

TEST_F(Integers, PredicatesCombine) {
  using U = std::uint32_t;
  const auto a = values<U>(), b = values<U>(), c = values<U>();
  check<U, U, U, U>("setp.lt.u32 p, a, b;\nsetp.gt.and.u32 q, a, c, !p;\nselp.u32 d, 1, 0, q;", a, b, c,
                    [](U x, U y, U z) { return x > z && !(x < y) ? 1u : 0u; });
  check<U, U, U, U>("setp.lt.u32 p, a, b;\nsetp.eq.xor.u32 p|q, a, c, p;\nselp.u32 d, 1, 0, q;", a, b, c,
                    [](U x, U y, U z) { return (x != z) != (x < y) ? 1u : 0u; });
  check<U, U, U, U>(
      "setp.lt.u32 p, a, b;\nsetp.lo.u32 q, a, c;\nxor.pred p, p, q;\nnot.pred p, p;\nselp.u32 d, 1, 0, p;", a, b, c,
      [](U x, U y, U z) { return (x < y) == (x < z) ? 1u : 0u; });
  check<U, U, U, U>("set.lt.u32.u32 d, a, b;", a, b, c, [](U x, U y, U) { return x < y ? ~0u : 0u; });
  check<U, U, U, U>("slct.u32.s32 d, a, b, c;", a, b, c,
                    [](U x, U y, U z) { return static_cast<std::int32_t>(z) >= 0 ? x : y; });
}

}  // namespace
}  // namespace emulator::test
