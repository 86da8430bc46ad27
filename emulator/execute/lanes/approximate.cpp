// Approximate functions (PTX ISA 9.7.3.8 div.approx and .full to 9.7.3.22 tanh): the right answer rounded once, or, for
// launches that perturb, any answer within the error that the manual states.
#include <limits>

#include "execute/lanes/perturb.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

using Kind = Bound::Kind;
constexpr double kPi = 3.14159265358979323846;

/// 2^-exponent.
inline double power(double exponent) {
  return std::exp2(-exponent);
}

// Each function: apply() is what runs unless a launch perturbs, exact() the same to double's precision, bound() what
// the manual grants, salt() keeps functions of the same operands apart.
struct Ex2 {
  static float apply(float a) { return std::exp2(a); }
  /// The manual counts from the correctly rounded result here (9.7.3.21).
  static double exact(double a) { return static_cast<double>(static_cast<float>(std::exp2(a))); }
  static Bound bound(double) { return {Kind::ulps, 2}; }
  static constexpr u64 salt = 1;
};
struct Lg2 {
  static float apply(float a) { return std::log2(a); }
  static double exact(double a) { return std::log2(a); }
  static Bound bound(double a) { return {a > 0.5 && a < 2 ? Kind::absolute : Kind::relative, power(22)}; }
  static constexpr u64 salt = 2;
};
/// Beyond 100 pi the manual guarantees nothing; the error of a reduction by a rounded pi grows with the argument.
inline Bound circular(double a) {
  const double turns = std::fabs(a) / (100 * kPi);
  return {Kind::absolute, turns <= 0.02 ? power(20.5) : turns <= 1 ? power(14.7) : std::fmin(power(14.7) * turns, 1)};
}
struct Sin {
  static float apply(float a) { return std::sin(a); }
  static double exact(double a) { return std::sin(a); }
  static Bound bound(double a) { return circular(a); }
  static constexpr u64 salt = 3;
};
struct Cos {
  static float apply(float a) { return std::cos(a); }
  static double exact(double a) { return std::cos(a); }
  static Bound bound(double a) { return circular(a); }
  static constexpr u64 salt = 4;
};
struct Tanh {
  static float apply(float a) { return std::tanh(a); }
  static double exact(double a) { return std::tanh(a); }
  /// Subnormal inputs pass through.
  static Bound bound(double a) { return {Kind::relative, std::fabs(a) < 0x1p-126 ? 0 : power(11)}; }
  static constexpr u64 salt = 5;
};
struct Rcp {
  static float apply(float a) { return 1.0f / a; }
  static double exact(double a) { return 1 / a; }
  static Bound bound(double) { return {Kind::ulps, 1}; }
  static constexpr u64 salt = 6;
};
struct Sqrt {
  static float apply(float a) { return __builtin_sqrtf(a); }
  static double exact(double a) { return std::sqrt(a); }
  static Bound bound(double) { return {Kind::relative, power(23)}; }
  static constexpr u64 salt = 7;
};
struct Rsqrt {
  static float apply(float a) { return static_cast<float>(exact(static_cast<double>(a))); }
  static double exact(double a) { return 1 / std::sqrt(a); }
  static Bound bound(double) { return {Kind::relative, power(22.9)}; }
  static constexpr u64 salt = 8;
};
/// div.approx: of a divisor above 2^126 the reciprocal is lost (9.7.3.8).
inline bool reciprocal_is_lost(float b) {
  return std::fabs(b) > 0x1p126f && std::isfinite(b);
}
struct DivApprox {
  static float apply(float a, float b) {
    if (!reciprocal_is_lost(b) || a != a) return a / b;
    return std::isinf(a) ? std::numeric_limits<float>::quiet_NaN() : a * std::copysign(0.0f, b);
  }
  static constexpr u64 salt = 9;
};
struct DivFull {
  static float apply(float a, float b) { return a / b; }
  static constexpr u64 salt = 10;
};

inline float flush(float v) {
  return (bits<u32>(v) & 0x7F800000u) == 0 ? bits<float>(bits<u32>(v) & 0x80000000u) : v;
}

/// Zeros, infinities and NaNs: what becomes of them is stated, not approximate.
inline bool is_special(float v) {
  return v == 0 || !std::isfinite(v);
}

inline float moved(float rounded, double exact, const Bound& bound, u64 where) {
  return bits<float>(static_cast<u32>(moved(kF32, bits<u32>(rounded), exact, bound, where)));
}

template <class F>
[[gnu::noinline]] void perturb(const Warp& warp, const float* a, float* r) {
  for (unsigned i = 0; i < kLanes; ++i) {
    if (is_special(a[i]) || !std::isfinite(r[i])) continue;
    const u64 where = scramble(warp.perturbation ^ scramble(F::salt << 32 | bits<u32>(a[i])));
    r[i] = moved(r[i], F::exact(static_cast<double>(a[i])), F::bound(static_cast<double>(a[i])), where);
  }
}

template <class F>
[[gnu::noinline]] void perturb_quotient(const Warp& warp, const float* a, const float* b, float* r) {
  for (unsigned i = 0; i < kLanes; ++i) {
    if (is_special(a[i]) || is_special(b[i]) || !std::isfinite(r[i])) continue;
    if (F::salt == DivApprox::salt && reciprocal_is_lost(b[i])) continue;
    const u64 where = scramble(warp.perturbation ^ scramble(bits<u32>(a[i]) | u64{bits<u32>(b[i])} << 32) ^ F::salt);
    r[i] = moved(r[i], static_cast<double>(a[i]) / static_cast<double>(b[i]), {Kind::ulps, 2}, where);
  }
}

const float* source(const Warp& warp, const Instruction& in, unsigned index, float* scratch) {
  const float* a = row<float>(warp, in.operand[index]);
  if ((in.flags & kFlushSubnormals) == 0) return a;
  for (unsigned i = 0; i < kLanes; ++i) scratch[i] = flush(a[i]);
  return scratch;
}

void finish(const Warp& warp, const Instruction& in, u32 mask, float* r) {
  if ((in.flags & kFlushSubnormals) != 0) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = flush(r[i]);
  }
  for (unsigned i = 0; i < kLanes; ++i) r[i] = r[i] != r[i] ? bits<float>(0x7FFFFFFFu) : r[i];
  commit(row<float>(warp, in.operand[0]), r, mask);
}

template <class F>
void one_source(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) float scratch[kLanes], r[kLanes];
  const float* a = source(warp, in, 1, scratch);
  for (unsigned i = 0; i < kLanes; ++i) r[i] = F::apply(a[i]);
  if (warp.perturbation != 0) perturb<F>(warp, a, r);
  finish(warp, in, mask, r);
}

template <class F>
void quotient(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) float scratch[2][kLanes], r[kLanes];
  const float* a = source(warp, in, 1, scratch[0]);
  const float* b = source(warp, in, 2, scratch[1]);
  for (unsigned i = 0; i < kLanes; ++i) r[i] = F::apply(a[i], b[i]);
  if (warp.perturbation != 0) perturb_quotient<F>(warp, a, b, r);
  finish(warp, in, mask, r);
}

// --- Double precision.

/// The upper word of a double: 20 bits of fraction.
constexpr Format kUpperWord{20, -1022, 1023, 0x7FFFFFFF};

/// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 (9.7.3.14, 9.7.3.17) look at the upper word and write the upper word.
/// The manual calls them gross and states no error; perturbed, they are off by up to one unit of that word.
template <class F>
void upper_word(Warp& warp, const Instruction& in, u32 mask) {
  const u64* a = row<u64>(warp, in.operand[1]);
  u64 r[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    u64 x = a[i] & 0xFFFFFFFF00000000u;
    if ((x & 0x7FF0000000000000u) == 0) x &= u64{1} << 63;
    const auto v = bits<double>(x);
    const double exact = bits<double>(a[i]) != bits<double>(a[i]) ? bits<double>(a[i]) : F::exact(v);
    u64 word = round_to(kUpperWord, exact, Rounding::nearest_even);
    if (warp.perturbation != 0 && v != 0 && std::isfinite(v) && std::isfinite(exact)) {
      word = moved(kUpperWord, word, exact, {Kind::ulps, 1}, scramble(warp.perturbation ^ scramble(x ^ F::salt)));
    }
    if ((word & 0x7FF00000u) == 0) word &= 0x80000000u;
    r[i] = word << 32;
  }
  commit(row<u64>(warp, in.operand[0]), r, mask);
}

/// rsqrt.approx.f64 states no error either; CUDA's rsqrt(double), which it stands for, is off by one ulp at most.
void rsqrt_double(Warp& warp, const Instruction& in, u32 mask) {
  const double* a = row<double>(warp, in.operand[1]);
  double r[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    r[i] = 1 / std::sqrt(a[i]);
    if (warp.perturbation == 0 || r[i] == 0 || !std::isfinite(r[i])) continue;
    r[i] = bits<double>(bits<u64>(r[i]) + scramble(warp.perturbation ^ scramble(bits<u64>(a[i]))) % 3 - 1);
  }
  commit(row<double>(warp, in.operand[0]), r, mask);
}

Handler of_double(FloatOp op, bool flush_subnormals) {
  if (op == FloatOp::rcp && flush_subnormals) return upper_word<Rcp>;
  if (op == FloatOp::rsqrt) return flush_subnormals ? upper_word<Rsqrt> : rsqrt_double;
  return nullptr;
}

}  // namespace

Handler approximate(FloatOp op, ptx::Type type, bool full, std::uint8_t flags) {
  if (type == ptx::Type::f64) return of_double(op, (flags & kFlushSubnormals) != 0);
  if (type != ptx::Type::f32) return nullptr;
  switch (op) {
    case FloatOp::div:
      return full ? quotient<DivFull> : quotient<DivApprox>;
    case FloatOp::rcp:
      return one_source<Rcp>;
    case FloatOp::sqrt:
      return one_source<Sqrt>;
    case FloatOp::rsqrt:
      return one_source<Rsqrt>;
    case FloatOp::ex2:
      return one_source<Ex2>;
    case FloatOp::lg2:
      return one_source<Lg2>;
    case FloatOp::sin:
      return one_source<Sin>;
    case FloatOp::cos:
      return one_source<Cos>;
    case FloatOp::tanh:
      return one_source<Tanh>;
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
