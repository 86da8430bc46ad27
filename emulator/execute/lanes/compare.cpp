// Comparisons, selection and predicates (PTX ISA 9.7.6, 9.7.7).
#include "execute/lanes/formats.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

struct F16 {
  u16 v;
};
struct Bf16 {
  u16 v;
};
inline float number(F16 a) {
  return f16_to_f32(a.v);
}
inline float number(Bf16 a) {
  return bf16_to_f32(a.v);
}
template <class T>
T number(T a) {
  return a;
}
template <Comparison kOp, class T>
bool holds(T a, T b) {
  switch (kOp) {
    case Comparison::eq:
      return a == b;
    case Comparison::ne:
      return a < b || a > b;  // false for NaN; for integers the same as !=
    case Comparison::lt:
      return a < b;
    case Comparison::le:
      return a <= b;
    case Comparison::gt:
      return a > b;
    case Comparison::ge:
      return a >= b;
    case Comparison::equ:
      return !(a < b || a > b);
    case Comparison::neu:
      return !(a == b);
    case Comparison::ltu:
      return !(a >= b);
    case Comparison::leu:
      return !(a > b);
    case Comparison::gtu:
      return !(a <= b);
    case Comparison::geu:
      return !(a < b);
    case Comparison::num:
      return a == a && b == b;
    case Comparison::nan:
      return a != a || b != b;
  }
  return false;
}

inline float flushed(float v) {
  return (bits<u32>(v) & 0x7F800000u) == 0 ? 0.0f : v;
}
inline float flushed(F16 v) {
  return (v.v & 0x7C00u) == 0 ? 0.0f : number(v);
}
inline float flushed(Bf16 v) {
  return flushed(number(v));
}

template <class T, Comparison kOp>
u32 compare_rows(Warp& warp, const Instruction& in) {
  const T* a = row<T>(warp, in.operand[2]);
  const T* b = row<T>(warp, in.operand[3]);
  alignas(32) u8 out[kLanes];
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, F16> || std::is_same_v<T, Bf16>) {
    if ((in.flags & kFlushSubnormals) != 0) {
      for (unsigned i = 0; i < kLanes; ++i) out[i] = holds<kOp>(flushed(a[i]), flushed(b[i])) ? 0xFF : 0;
      return pack_mask(out);
    }
  }
  for (unsigned i = 0; i < kLanes; ++i) out[i] = holds<kOp>(number(a[i]), number(b[i])) ? 0xFF : 0;
  return pack_mask(out);
}

/// setp p|q, a, b, c: operands p, q, a, b, c; mode bits 0-1: 0 none, 1 and, 2 or, 3 xor; bit 2: !c; bit 3: has q;
/// bit 4: has p. The same for packed halves, whose p and q take the two halves.
constexpr unsigned kCombine = 3, kNegateC = 4, kHasQ = 8, kHasP = 16;

u32 combine(u32 value, u32 c, unsigned mode) {
  if ((mode & kNegateC) != 0) c = ~c;
  switch (mode & kCombine) {
    case 1:
      return value & c;
    case 2:
      return value | c;
    case 3:
      return value ^ c;
    default:
      return value;
  }
}

template <class T, Comparison kOp>
void setp(Warp& warp, const Instruction& in, u32 mask) {
  const u32 value = compare_rows<T, kOp>(warp, in);
  const u32 c = (in.mode & kCombine) != 0 ? mask_row(warp, in.operand[4]) : 0;
  if ((in.mode & kHasP) != 0) commit_mask(mask_row(warp, in.operand[0]), combine(value, c, in.mode), mask);
  if ((in.mode & kHasQ) != 0) commit_mask(mask_row(warp, in.operand[1]), combine(~value, c, in.mode), mask);
}

template <class T, Comparison kOp>
void setp_packed(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[2]);
  const u32* b = row<u32>(warp, in.operand[3]);
  const u32 c = (in.mode & kCombine) != 0 ? mask_row(warp, in.operand[4]) : 0;
  const bool flushes = (in.flags & kFlushSubnormals) != 0;
  u32 out[2] = {0, 0};
  for (unsigned i = 0; i < kLanes; ++i) {
    for (unsigned h = 0; h < 2; ++h) {
      const T x{static_cast<u16>(a[i] >> 16 * h)}, y{static_cast<u16>(b[i] >> 16 * h)};
      const bool yes = flushes ? holds<kOp>(flushed(x), flushed(y)) : holds<kOp>(number(x), number(y));
      out[h] |= static_cast<u32>(yes) << i;
    }
  }
  if ((in.mode & kHasP) != 0) commit_mask(mask_row(warp, in.operand[0]), combine(out[0], c, in.mode), mask);
  if ((in.mode & kHasQ) != 0) commit_mask(mask_row(warp, in.operand[1]), combine(out[1], c, in.mode), mask);
}

template <class T>
Handler of_type(Comparison op) {
  switch (op) {
    case Comparison::eq:
      return setp<T, Comparison::eq>;
    case Comparison::ne:
      return setp<T, Comparison::ne>;
    case Comparison::lt:
      return setp<T, Comparison::lt>;
    case Comparison::le:
      return setp<T, Comparison::le>;
    case Comparison::gt:
      return setp<T, Comparison::gt>;
    case Comparison::ge:
      return setp<T, Comparison::ge>;
    default:
      break;
  }
  if constexpr (!std::is_integral_v<T>) {
    switch (op) {
      case Comparison::equ:
        return setp<T, Comparison::equ>;
      case Comparison::neu:
        return setp<T, Comparison::neu>;
      case Comparison::ltu:
        return setp<T, Comparison::ltu>;
      case Comparison::leu:
        return setp<T, Comparison::leu>;
      case Comparison::gtu:
        return setp<T, Comparison::gtu>;
      case Comparison::geu:
        return setp<T, Comparison::geu>;
      case Comparison::num:
        return setp<T, Comparison::num>;
      case Comparison::nan:
        return setp<T, Comparison::nan>;
      default:
        break;
    }
  }
  return nullptr;
}

template <class T>
Handler of_pair(Comparison op) {
  switch (op) {
    case Comparison::eq:
      return setp_packed<T, Comparison::eq>;
    case Comparison::ne:
      return setp_packed<T, Comparison::ne>;
    case Comparison::lt:
      return setp_packed<T, Comparison::lt>;
    case Comparison::le:
      return setp_packed<T, Comparison::le>;
    case Comparison::gt:
      return setp_packed<T, Comparison::gt>;
    case Comparison::ge:
      return setp_packed<T, Comparison::ge>;
    case Comparison::equ:
      return setp_packed<T, Comparison::equ>;
    case Comparison::neu:
      return setp_packed<T, Comparison::neu>;
    case Comparison::ltu:
      return setp_packed<T, Comparison::ltu>;
    case Comparison::leu:
      return setp_packed<T, Comparison::leu>;
    case Comparison::gtu:
      return setp_packed<T, Comparison::gtu>;
    case Comparison::geu:
      return setp_packed<T, Comparison::geu>;
    case Comparison::num:
      return setp_packed<T, Comparison::num>;
    case Comparison::nan:
      return setp_packed<T, Comparison::nan>;
  }
  return nullptr;
}

/// A predicate row spread into a register: d = p ? a : b with a and b rows. selp and the second half of set.
template <class T>
void selp(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.operand[1]);
  const T* b = row<T>(warp, in.operand[2]);
  const u32 p = mask_row(warp, in.operand[3]) ^ (in.mode != 0 ? kAllLanes : 0);
  alignas(64) T result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = (p & (1u << i)) != 0 ? a[i] : b[i];
  commit(row<T>(warp, in.operand[0]), result, mask);
}

template <class T, class C>
void select_by_sign(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.operand[1]);
  const T* b = row<T>(warp, in.operand[2]);
  const C* c = row<C>(warp, in.operand[3]);
  T result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = c[i] >= C{0} ? a[i] : b[i];
  commit(row<T>(warp, in.operand[0]), result, mask);
}

template <IntegerOp kOp>
void predicate_logic(Warp& warp, const Instruction& in, u32 mask) {
  const u32 a = mask_row(warp, in.operand[1]) ^ ((in.mode & 1) != 0 ? kAllLanes : 0);
  u32 b = 0;
  if constexpr (kOp != IntegerOp::bit_not) b = mask_row(warp, in.operand[2]) ^ ((in.mode & 2) != 0 ? kAllLanes : 0);
  u32 value = 0;
  switch (kOp) {
    case IntegerOp::bit_and:
      value = a & b;
      break;
    case IntegerOp::bit_or:
      value = a | b;
      break;
    case IntegerOp::bit_xor:
      value = a ^ b;
      break;
    default:
      value = ~a;
      break;
  }
  commit_mask(mask_row(warp, in.operand[0]), value, mask);
}

}  // namespace

Handler compare(ptx::Type type, Comparison op) {
  using ptx::Type;
  switch (type) {
    case Type::b16:
    case Type::u16:
      return of_type<u16>(op);
    case Type::s16:
      return of_type<s16>(op);
    case Type::b32:
    case Type::u32:
      return of_type<u32>(op);
    case Type::s32:
      return of_type<s32>(op);
    case Type::b64:
    case Type::u64:
      return of_type<u64>(op);
    case Type::s64:
      return of_type<s64>(op);
    case Type::f16:
      return of_type<F16>(op);
    case Type::bf16:
      return of_type<Bf16>(op);
    case Type::f32:
      return of_type<float>(op);
    case Type::f64:
      return of_type<double>(op);
    case Type::f16x2:
      return of_pair<F16>(op);
    case Type::bf16x2:
      return of_pair<Bf16>(op);
    default:
      return nullptr;
  }
}

Handler select(ptx::Type type) {
  switch (ptx::size_of(type)) {
    case 2:
      return selp<u16>;
    case 4:
      return selp<u32>;
    case 8:
      return selp<u64>;
    default:
      return nullptr;
  }
}

Handler slct(ptx::Type type, ptx::Type selector) {
  const bool f = selector == ptx::Type::f32;
  switch (ptx::size_of(type)) {
    case 2:
      return f ? select_by_sign<u16, float> : select_by_sign<u16, s32>;
    case 4:
      return f ? select_by_sign<u32, float> : select_by_sign<u32, s32>;
    case 8:
      return f ? select_by_sign<u64, float> : select_by_sign<u64, s32>;
    default:
      return nullptr;
  }
}

Handler predicate(IntegerOp op) {
  switch (op) {
    case IntegerOp::bit_and:
      return predicate_logic<IntegerOp::bit_and>;
    case IntegerOp::bit_or:
      return predicate_logic<IntegerOp::bit_or>;
    case IntegerOp::bit_xor:
      return predicate_logic<IntegerOp::bit_xor>;
    case IntegerOp::bit_not:
      return predicate_logic<IntegerOp::bit_not>;
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
