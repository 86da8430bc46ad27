// Rules for arithmetic and logic. Each is exact for independent operands or errs to the side of "undefined".
#include "strict/look.hpp"

namespace emulator::rules {
namespace {

using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// Carries run upwards only.
template <class T>
T upwards(T undefined) {
  return static_cast<T>(undefined | (T{0} - undefined));
}

/// Where the sums of the smallest and of the largest operands differ, a carry is uncertain.
template <class T>
T sum(T a, T b, T ua, T ub) {
  const auto low = static_cast<T>(static_cast<T>(a & ~ua) + static_cast<T>(b & ~ub));
  const auto high = static_cast<T>(static_cast<T>(a | ua) + static_cast<T>(b | ub));
  return static_cast<T>(ua | ub | (low ^ high));
}
template <class T>
T difference(T a, T b, T ua, T ub) {
  const auto low = static_cast<T>(static_cast<T>(a & ~ua) - static_cast<T>(b | ub));
  const auto high = static_cast<T>(static_cast<T>(a | ua) - static_cast<T>(b & ~ub));
  return static_cast<T>(ua | ub | (low ^ high));
}

template <class T>
bool zero(T a, T ua) {
  return (a | ua) == 0;
}

/// A product's bit depends on the operands' bits up to it; a defined 0 makes the other operand irrelevant.
template <class T>
T product(T a, T b, T ua, T ub) {
  return zero(a, ua) || zero(b, ub) ? T{0} : upwards(static_cast<T>(ua | ub));
}

template <class T>
u32 lookup(const Look& look, unsigned i) {
  u32 can_be[2] = {0, 0};
  u32 is[3][2];  // the bits of each operand that may be 0, and those that may be 1
  for (unsigned k = 0; k < 3; ++k) {
    const u32 v = look.value<u32>(look.in.operand[k + 1])[i], u = look.undefined<u32>(look.in.operand[k + 1])[i];
    is[k][0] = ~v | u;
    is[k][1] = v | u;
  }
  for (unsigned k = 0; k < 8; ++k) {
    can_be[look.in.mode >> k & 1u] |= is[0][k >> 2] & is[1][k >> 1 & 1u] & is[2][k & 1u];
  }
  return can_be[0] & can_be[1];
}

/// d = F(a, b, ua, ub)
template <class T, class F>
void binary(const Look& look, F f) {
  const T* a = look.value<T>(look.in.operand[1]);
  const T* b = look.value<T>(look.in.operand[2]);
  const T* ua = look.undefined<T>(look.in.operand[1]);
  const T* ub = look.undefined<T>(look.in.operand[2]);
  T* d = look.result<T>(0);
  for (unsigned i = 0; i < kLanes; ++i) d[i] = f(a[i], b[i], ua[i], ub[i]);
}

/// The product of mad is anything in its undefined bits: taken as 0 there, it still bounds the sum's carries upwards.
template <class D, class T>
void multiply(const Look& look, bool high, bool adds) {
  const T* a = look.value<T>(look.in.operand[1]);
  const T* b = look.value<T>(look.in.operand[2]);
  const T* ua = look.undefined<T>(look.in.operand[1]);
  const T* ub = look.undefined<T>(look.in.operand[2]);
  const D* uc = adds ? look.undefined<D>(look.in.operand[3]) : nullptr;
  D* d = look.result<D>(0);
  for (unsigned i = 0; i < kLanes; ++i) {
    D u = sizeof(D) == sizeof(T) ? static_cast<D>(product(a[i], b[i], ua[i], ub[i]))
                                 : product<D>(a[i], b[i], static_cast<D>(ua[i]), static_cast<D>(ub[i]));
    if (high && u != 0) u = static_cast<D>(~D{0});
    d[i] = adds ? upwards(static_cast<D>(u | uc[i])) : u;
  }
}

template <class T>
void logic_not(const Look& look) {
  std::memcpy(look.result<T>(0), look.undefined<T>(look.in.operand[1]), kLanes * sizeof(T));
}

template <class T>
void is_zero(const Look& look) {
  const T* a = look.value<T>(look.in.operand[1]);
  const T* ua = look.undefined<T>(look.in.operand[1]);
  for (unsigned i = 0; i < kLanes; ++i) {
    look.result<T>(0)[i] = ua[i] != 0 && (a[i] & static_cast<T>(~ua[i])) == 0 ? T{1} : T{0};
  }
}

template <class T>
void wider(const Look& look, IntegerOp op) {
  const bool adds = op == IntegerOp::mad_lo || op == IntegerOp::mad_hi || op == IntegerOp::mad_wide;
  if constexpr (sizeof(T) < 8) {
    using D = std::conditional_t<sizeof(T) == 2, u32, u64>;
    if (op == IntegerOp::mul_wide || op == IntegerOp::mad_wide) return multiply<D, T>(look, false, adds);
  }
  multiply<T, T>(look, op == IntegerOp::mul_hi || op == IntegerOp::mad_hi, adds);
}

template <class T>
void integer_of(const Look& look) {
  const auto op = static_cast<IntegerOp>(look.flow.operation);
  const bool same = look.in.operand[1] == look.in.operand[2];
  switch (op) {
    case IntegerOp::bit_and:
      return binary<T>(look, [](T a, T b, T ua, T ub) { return static_cast<T>((ua & ub) | (ua & b) | (ub & a)); });
    case IntegerOp::bit_or:
      return binary<T>(look, [](T a, T b, T ua, T ub) { return static_cast<T>((ua & ub) | (ua & ~b) | (ub & ~a)); });
    case IntegerOp::bit_xor:
      return same ? look.define() : binary<T>(look, [](T, T, T ua, T ub) { return static_cast<T>(ua | ub); });
    case IntegerOp::bit_not:
      return logic_not<T>(look);
    case IntegerOp::cnot:
      return is_zero<T>(look);
    case IntegerOp::add:
      return binary<T>(look, sum<T>);
    case IntegerOp::sub:
      return same ? look.define() : binary<T>(look, difference<T>);
    case IntegerOp::neg:
      for (unsigned i = 0; i < kLanes; ++i) {
        const T u = look.undefined<T>(look.in.operand[1])[i];
        look.result<T>(0)[i] = difference<T>(0, look.value<T>(look.in.operand[1])[i], 0, u);
      }
      return;
    case IntegerOp::mul_lo:
    case IntegerOp::mul_hi:
    case IntegerOp::mul_wide:
    case IntegerOp::mad_lo:
    case IntegerOp::mad_hi:
    case IntegerOp::mad_wide:
      return wider<T>(look, op);
    default:
      return whole(look);
  }
}

}  // namespace

void whole(const Look& look) {
  look.undefine(look.undefined_lanes());
}

void halves(const Look& look) {
  auto* d = look.result<u32>(0);
  look.define();
  for (unsigned k = 0; k < look.footprint.reads; ++k) {
    const auto* u = look.undefined<u32>(static_cast<RowOperand>(look.read(k).offset));
    for (unsigned i = 0; i < kLanes; ++i) {
      d[i] |= ((u[i] & 0xFFFFu) != 0 ? 0xFFFFu : 0u) | (u[i] >> 16 != 0 ? 0xFFFF0000u : 0u);
    }
  }
}

void pair(const Look& look) {
  const u32* high = look.undefined<u32>(look.in.operand[1]);
  const u32* low = look.undefined<u32>(look.in.operand[2]);
  for (unsigned i = 0; i < kLanes; ++i) {
    look.result<u32>(0)[i] = (high[i] != 0 ? 0xFFFF0000u : 0u) | (low[i] != 0 ? 0xFFFFu : 0u);
  }
}

void integer(const Look& look) {
  if (static_cast<IntegerOp>(look.flow.operation) == IntegerOp::lop3) {
    for (unsigned i = 0; i < kLanes; ++i) look.result<u32>(0)[i] = lookup<u32>(look, i);
    return;
  }
  if (look.flow.width == 2) return integer_of<u16>(look);
  if (look.flow.width == 4) return integer_of<u32>(look);
  integer_of<u64>(look);
}

}  // namespace emulator::rules
