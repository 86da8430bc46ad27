// Single and double precision arithmetic (PTX ISA 9.7.3, 9.7.4 copysign, testp).
#include <cfenv>
#include <cmath>

#include "execute/lanes/row.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using type = u32;
  static constexpr u32 sign = 0x80000000u, infinity = 0x7F800000u, nan = 0x7FFFFFFFu;
};
template <>
struct Bits<double> {
  using type = u64;
  static constexpr u64 sign = u64{1} << 63, infinity = u64{0x7FF} << 52, nan = 0x7FFFFFFFFFFFFFFFu;
};

/// PTX makes 0x7fffffff of every NaN that f32 arithmetic produces.
inline float canonical(float v) {
  return v != v ? bits<float>(Bits<float>::nan) : v;
}
inline double canonical(double v) {
  return v;
}

template <class T>
T flush(T v) {
  using B = Bits<T>;
  const auto b = bits<typename B::type>(v);
  return (b & B::infinity) == 0 ? bits<T>(static_cast<typename B::type>(b & B::sign)) : v;
}
template <class T>
T saturate(T v) {
  // NaN becomes +0: the comparison is false for it.
  const T low = v > T{0} ? v : T{0};
  return low < T{1} ? low : T{1};
}

struct Add {
  template <class T>
  static T apply(T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static T apply(T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static T apply(T a, T b) {
    return a * b;
  }
};
struct Div {
  template <class T>
  static T apply(T a, T b) {
    return a / b;
  }
};
struct Fma {
  static float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Rcp {
  template <class T>
  static T apply(T a) {
    return T{1} / a;
  }
};
struct Sqrt {
  static float apply(float a) { return __builtin_sqrtf(a); }
  static double apply(double a) { return __builtin_sqrt(a); }
};

template <class T>
constexpr bool is_subnormal_or_zero(T v) {
  return (bits<typename Bits<T>::type>(v) & Bits<T>::infinity) == 0;
}

/// -0 is below +0. Without .NaN the operand that is a number wins.
template <class T, bool kMax>
T extreme(T a, T b, bool propagate) {
  if (a != a || b != b) {
    if (propagate || (a != a && b != b)) return bits<T>(Bits<T>::nan);
    return a != a ? b : a;
  }
  if (a == b) {  // equal values differ at most in the sign of zero
    const auto x = bits<typename Bits<T>::type>(a), y = bits<typename Bits<T>::type>(b);
    return bits<T>(static_cast<typename Bits<T>::type>(kMax ? x & y : x | y));
  }
  return (a < b) != kMax ? a : b;
}

/// Sets the processor's rounding while it lives.
class RoundingScope {
 public:
  explicit RoundingScope(unsigned mode) {
    static constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};
    if (modes[mode] != FE_TONEAREST) {
      changed_ = true;
      std::fesetround(modes[mode]);
    }
  }
  ~RoundingScope() {
    if (changed_) std::fesetround(FE_TONEAREST);
  }
  RoundingScope(const RoundingScope&) = delete;
  RoundingScope& operator=(const RoundingScope&) = delete;

 private:
  bool changed_ = false;
};

// Not inlined, so that the arithmetic stays between the changes of the rounding mode.
template <class T, class F>
[[gnu::noinline]] void apply_row(T* r, const T* a) {
  for (unsigned i = 0; i < kLanes; ++i) r[i] = F::apply(a[i]);
}
template <class T, class F>
[[gnu::noinline]] void apply_row(T* r, const T* a, const T* b) {
  for (unsigned i = 0; i < kLanes; ++i) r[i] = F::apply(a[i], b[i]);
}
template <class T, class F>
[[gnu::noinline]] void apply_row(T* r, const T* a, const T* b, const T* c) {
  for (unsigned i = 0; i < kLanes; ++i) r[i] = F::apply(a[i], b[i], c[i]);
}

/// An operand row, flushed into `scratch` if the instruction flushes.
template <class T>
const T* source(Warp& warp, const Instruction& in, unsigned index, T* scratch) {
  const T* a = row<T>(warp, in.operand[index]);
  if ((in.flags & kFlushSubnormals) == 0) return a;
  for (unsigned i = 0; i < kLanes; ++i) scratch[i] = flush(a[i]);
  return scratch;
}

template <class T>
void finish(Warp& warp, const Instruction& in, u32 mask, T* r) {
  if ((in.flags & kFlushSubnormals) != 0) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = flush(r[i]);
  }
  if ((in.flags & kSaturate) != 0) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = saturate(r[i]);
  }
  for (unsigned i = 0; i < kLanes; ++i) r[i] = canonical(r[i]);
  commit(row<T>(warp, in.operand[0]), r, mask);
}

template <class T, class F, int kSources>
void general(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) T scratch[3][kLanes];
  alignas(64) T r[kLanes];
  const T* a = source<T>(warp, in, 1, scratch[0]);
  const T* b = kSources > 1 ? source<T>(warp, in, 2, scratch[1]) : a;
  const T* c = kSources > 2 ? source<T>(warp, in, 3, scratch[2]) : a;
  {
    RoundingScope rounding(in.mode);
    if constexpr (kSources == 1) apply_row<T, F>(r, a);
    if constexpr (kSources == 2) apply_row<T, F>(r, a, b);
    if constexpr (kSources == 3) apply_row<T, F>(r, a, b, c);
  }
  finish(warp, in, mask, r);
}

/// Round to nearest, no modifiers: the path that must be fast.
template <class T, class F, int kSources>
void nearest(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.operand[1]);
  const T* b = row<T>(warp, in.operand[2]);
  const T* c = row<T>(warp, in.operand[3]);
  alignas(64) T r[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    if constexpr (kSources == 1) r[i] = canonical(F::apply(a[i]));
    if constexpr (kSources == 2) r[i] = canonical(F::apply(a[i], b[i]));
    if constexpr (kSources == 3) r[i] = canonical(F::apply(a[i], b[i], c[i]));
  }
  commit(row<T>(warp, in.operand[0]), r, mask);
}

template <class T, class F, int kSources>
Handler pick(Rounding rounding, std::uint8_t flags) {
  const bool plain = rounding == Rounding::nearest_even && (flags & (kFlushSubnormals | kSaturate)) == 0;
  return plain ? nearest<T, F, kSources> : general<T, F, kSources>;
}

template <class T, bool kMax>
void min_max(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) T scratch[3][kLanes];
  alignas(64) T r[kLanes];
  const T* a = source<T>(warp, in, 1, scratch[0]);
  const T* b = source<T>(warp, in, 2, scratch[1]);
  const bool propagate = (in.flags & kPropagateNan) != 0;
  if ((in.flags & kXorSign) != 0) {
    using B = Bits<T>;
    using U = typename B::type;
    for (unsigned i = 0; i < kLanes; ++i) {
      const U x = bits<U>(a[i]), y = bits<U>(b[i]);
      const T m =
          extreme<T, kMax>(bits<T>(static_cast<U>(x & ~B::sign)), bits<T>(static_cast<U>(y & ~B::sign)), propagate);
      r[i] = m != m ? m : bits<T>(static_cast<U>((bits<U>(m) & ~B::sign) | ((x ^ y) & B::sign)));
    }
  } else {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = extreme<T, kMax>(a[i], b[i], propagate);
  }
  if (in.count == 3) {  // min.f32 d, a, b, c
    const T* c = source<T>(warp, in, 3, scratch[2]);
    for (unsigned i = 0; i < kLanes; ++i) r[i] = extreme<T, kMax>(r[i], c[i], propagate);
  }
  commit(row<T>(warp, in.operand[0]), r, mask);
}

/// abs and neg act on the sign bit; only .ftz looks at the value.
template <class T, bool kNegate>
void sign(Warp& warp, const Instruction& in, u32 mask) {
  using U = typename Bits<T>::type;
  alignas(64) T scratch[kLanes];
  const T* a = source<T>(warp, in, 1, scratch);
  alignas(64) T r[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const U x = bits<U>(a[i]);
    r[i] = bits<T>(static_cast<U>(kNegate ? x ^ Bits<T>::sign : x & ~Bits<T>::sign));
  }
  commit(row<T>(warp, in.operand[0]), r, mask);
}

template <class T>
void copy_sign(Warp& warp, const Instruction& in, u32 mask) {
  using U = typename Bits<T>::type;
  const U* a = row<U>(warp, in.operand[1]);
  const U* b = row<U>(warp, in.operand[2]);
  U r[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    r[i] = static_cast<U>((a[i] & Bits<T>::sign) | (b[i] & ~Bits<T>::sign));
  }
  commit(row<U>(warp, in.operand[0]), r, mask);
}

/// mode: 0 finite, 1 infinite, 2 number, 3 notanumber, 4 normal, 5 subnormal.
template <class T>
void test_property(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.operand[1]);
  u32 out = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    const T v = a[i];
    const bool subnormal = v != 0 && is_subnormal_or_zero(v);
    bool yes = false;
    switch (in.mode) {
      case 0:
        yes = std::isfinite(v);
        break;
      case 1:
        yes = std::isinf(v);
        break;
      case 2:
        yes = !std::isnan(v);
        break;
      case 3:
        yes = std::isnan(v);
        break;
      case 4:
        yes = std::isfinite(v) && v != 0 && !subnormal;
        break;
      default:
        yes = subnormal;
        break;
    }
    out |= static_cast<u32>(yes) << i;
  }
  commit_mask(mask_row(warp, in.operand[0]), out, mask);
}

template <class T>
Handler of_type(FloatOp op, Rounding rounding, std::uint8_t flags) {
  switch (op) {
    case FloatOp::add:
      return pick<T, Add, 2>(rounding, flags);
    case FloatOp::sub:
      return pick<T, Sub, 2>(rounding, flags);
    case FloatOp::mul:
      return pick<T, Mul, 2>(rounding, flags);
    case FloatOp::div:
      return pick<T, Div, 2>(rounding, flags);
    case FloatOp::fma:
      return pick<T, Fma, 3>(rounding, flags);
    case FloatOp::rcp:
      return pick<T, Rcp, 1>(rounding, flags);
    case FloatOp::sqrt:
      return pick<T, Sqrt, 1>(rounding, flags);
    case FloatOp::neg:
      return sign<T, true>;
    case FloatOp::abs:
      return sign<T, false>;
    case FloatOp::min:
      return min_max<T, false>;
    case FloatOp::max:
      return min_max<T, true>;
    case FloatOp::copysign:
      return copy_sign<T>;
    case FloatOp::testp:
      return test_property<T>;
    default:
      return nullptr;
  }
}

}  // namespace

Handler floating(FloatOp op, ptx::Type type, Rounding rounding, std::uint8_t flags) {
  if (type == ptx::Type::f64) return of_type<double>(op, rounding, flags);
  return type == ptx::Type::f32 ? of_type<float>(op, rounding, flags) : nullptr;
}

}  // namespace emulator::EMULATOR_SET
