// Half precision arithmetic, f16 and bf16, alone and in pairs (PTX ISA 9.7.4).
#include <cmath>

#include "execute/lanes/perturb.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

template <bool kBf>
double widen(u16 v) {
  return static_cast<double>(kBf ? bf16_to_f32(v) : f16_to_f32(v));
}
template <bool kBf>
u16 narrow(double v) {
  return static_cast<u16>(round_to(kBf ? kBf16 : kF16, v, Rounding::nearest_even));
}
template <bool kBf>
u16 flush(u16 v) {
  constexpr u16 exponent = kBf ? 0x7F80 : 0x7C00;
  return (v & exponent) == 0 ? static_cast<u16>(v & 0x8000u) : v;
}
template <bool kBf>
bool is_nan(u16 v) {
  return (v & 0x7FFFu) > (kBf ? 0x7F80u : 0x7C00u);
}

// Products of two halves are exact in double; sums are rounded to odd, so that one rounding happens in all.
struct Add {
  static double apply(double a, double b, double) { return add_to_odd(a, b); }
};
struct Sub {
  static double apply(double a, double b, double) { return add_to_odd(a, -b); }
};
struct Mul {
  static double apply(double a, double b, double) { return a * b; }
};
struct Fma {
  static double apply(double a, double b, double c) { return add_to_odd(a * b, c); }
};
template <bool kBf, class F>
u16 one(const Instruction& in, u16 a, u16 b, u16 c) {
  if ((in.flags & kFlushSubnormals) != 0) {
    a = flush<kBf>(a);
    b = flush<kBf>(b);
    c = flush<kBf>(c);
  }
  u16 r = narrow<kBf>(F::apply(widen<kBf>(a), widen<kBf>(b), widen<kBf>(c)));
  if ((in.flags & kFlushSubnormals) != 0) r = flush<kBf>(r);
  if ((in.flags & kSaturate) != 0) {
    constexpr u16 one_bits = kBf ? 0x3F80 : 0x3C00;
    r = is_nan<kBf>(r) || (r & 0x8000u) != 0 ? u16{0} : (r > one_bits ? one_bits : r);
  }
  if ((in.flags & kRelu) != 0 && !is_nan<kBf>(r) && (r & 0x8000u) != 0) r = 0;
  return r;
}

template <bool kBf, bool kMax>
struct Extreme {
  static u16 apply(const Instruction& in, u16 a, u16 b) {
    u16 sign = 0;
    if ((in.flags & kFlushSubnormals) != 0) {
      a = flush<kBf>(a);
      b = flush<kBf>(b);
    }
    if ((in.flags & kXorSign) != 0) {
      sign = static_cast<u16>((a ^ b) & 0x8000u);
      a &= 0x7FFF;
      b &= 0x7FFF;
    }
    if (is_nan<kBf>(a) || is_nan<kBf>(b)) {
      if ((in.flags & kPropagateNan) != 0 || (is_nan<kBf>(a) && is_nan<kBf>(b))) return 0x7FFF;
      return static_cast<u16>((is_nan<kBf>(a) ? b : a) | sign);
    }
    // Sign-magnitude to an order in which -0 is below +0.
    const auto key = [](u16 v) { return (v & 0x8000u) != 0 ? static_cast<s32>(0x7FFF - (v & 0x7FFF)) : 0x8000 + v; };
    return static_cast<u16>(((key(a) < key(b)) != kMax ? a : b) | sign);
  }
};

template <class F>
void halves(Warp& warp, const Instruction& in, u32 mask, unsigned sources, F f) {
  if ((in.flags & kPacked) != 0) {
    const u32* rows[3] = {};
    for (unsigned k = 0; k < sources; ++k) rows[k] = row<u32>(warp, in.operand[k + 1]);
    u32 result[kLanes];
    for (unsigned i = 0; i < kLanes; ++i) {
      u32 v[3] = {};
      for (unsigned k = 0; k < sources; ++k) v[k] = rows[k][i];
      const auto at = [&](unsigned shift) {
        return static_cast<u32>(static_cast<u16>(
            f(static_cast<u16>(v[0] >> shift), static_cast<u16>(v[1] >> shift), static_cast<u16>(v[2] >> shift))));
      };
      result[i] = at(0) | at(16) << 16;
    }
    commit(row<u32>(warp, in.operand[0]), result, mask);
    return;
  }
  const u16* rows[3] = {};
  for (unsigned k = 0; k < sources; ++k) rows[k] = row<u16>(warp, in.operand[k + 1]);
  u16 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    result[i] = f(rows[0][i], sources > 1 ? rows[1][i] : u16{0}, sources > 2 ? rows[2][i] : u16{0});
  }
  commit(row<u16>(warp, in.operand[0]), result, mask);
}

template <bool kBf, class F, unsigned kSources>
void arithmetic(Warp& warp, const Instruction& in, u32 mask) {
  halves(warp, in, mask, kSources, [&](u16 a, u16 b, u16 c) { return one<kBf, F>(in, a, b, c); });
}
/// ex2 and tanh; bounds of the manual for f16 and bf16 (PTX ISA 9.7.4.9, 9.7.4.10).
template <bool kBf>
struct Ex2 {
  static double apply(double a) { return std::exp2(a); }
  static Bound bound() { return {Bound::Kind::relative, kBf ? 0x1p-7 : std::exp2(-9.9)}; }
  static constexpr u64 salt = 11;
};
template <bool kBf>
struct Tanh {
  static double apply(double a) { return std::tanh(a); }
  static Bound bound() { return {Bound::Kind::absolute, kBf ? 0x1p-8 : std::exp2(-10.987)}; }
  static constexpr u64 salt = 12;
};

/// The operand whose result is stated rather than approximate: zero, infinity, NaN.
template <bool kBf>
bool is_special(u16 v) {
  return (v & 0x7FFFu) == 0 || (v & 0x7FFFu) >= (kBf ? kBf16 : kF16).infinity();
}

template <bool kBf, class F>
void approximate(Warp& warp, const Instruction& in, u32 mask) {
  const bool flushes = (in.flags & kFlushSubnormals) != 0;
  halves(warp, in, mask, 1, [&](u16 a, u16, u16) {
    if (flushes) a = flush<kBf>(a);
    const double exact = F::apply(widen<kBf>(a));
    u16 r = narrow<kBf>(exact);
    if (warp.perturbation != 0 && !is_special<kBf>(a)) {
      const u64 where = scramble(warp.perturbation ^ scramble(F::salt << 32 | u64{kBf} << 16 | a));
      r = static_cast<u16>(moved(kBf ? kBf16 : kF16, r, exact, F::bound(), where));
    }
    return flushes ? flush<kBf>(r) : r;
  });
}

template <bool kBf, bool kMax>
void min_max(Warp& warp, const Instruction& in, u32 mask) {
  halves(warp, in, mask, 2, [&](u16 a, u16 b, u16) { return Extreme<kBf, kMax>::apply(in, a, b); });
}
template <bool kBf, bool kNegate>
void sign(Warp& warp, const Instruction& in, u32 mask) {
  halves(warp, in, mask, 1, [&](u16 a, u16, u16) {
    if ((in.flags & kFlushSubnormals) != 0) a = flush<kBf>(a);
    return static_cast<u16>(kNegate ? a ^ 0x8000u : a & 0x7FFFu);
  });
}

template <bool kBf>
Handler of_format(FloatOp op) {
  switch (op) {
    case FloatOp::add:
      return arithmetic<kBf, Add, 2>;
    case FloatOp::sub:
      return arithmetic<kBf, Sub, 2>;
    case FloatOp::mul:
      return arithmetic<kBf, Mul, 2>;
    case FloatOp::fma:
      return arithmetic<kBf, Fma, 3>;
    case FloatOp::ex2:
      return approximate<kBf, Ex2<kBf>>;
    case FloatOp::tanh:
      return approximate<kBf, Tanh<kBf>>;
    case FloatOp::min:
      return min_max<kBf, false>;
    case FloatOp::max:
      return min_max<kBf, true>;
    case FloatOp::neg:
      return sign<kBf, true>;
    case FloatOp::abs:
      return sign<kBf, false>;
    default:
      return nullptr;
  }
}

}  // namespace

Handler half(FloatOp op, ptx::Type type) {
  switch (type) {
    case ptx::Type::f16:
    case ptx::Type::f16x2:
      return of_format<false>(op);
    case ptx::Type::bf16:
    case ptx::Type::bf16x2:
      return of_format<true>(op);
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
