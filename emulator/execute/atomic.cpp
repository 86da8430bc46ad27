// atom and red (PTX ISA 9.7.13): blocks run on several host threads, so these are atomics of the host.
#include <atomic>
#include <cstring>

#include "execute/lanes/address.hpp"
#include "execute/lanes/formats.hpp"
#include "execute/operations.hpp"

namespace emulator::control {
namespace {

using namespace emulator::baseline;

// Instruction::count of an atomic: 0 for red, which has no result. operand: d, address, b, c. size: the space.
template <class T>
T combine(AtomicOp op, T old, T b, T c) {
  switch (op) {
    case AtomicOp::add:
      return static_cast<T>(old + b);
    case AtomicOp::min:
      return b < old ? b : old;
    case AtomicOp::max:
      return b > old ? b : old;
    case AtomicOp::inc:
      return old >= b ? T{0} : static_cast<T>(old + 1);
    case AtomicOp::dec:
      return old == 0 || old > b ? b : static_cast<T>(old - 1);
    case AtomicOp::cas:
      return old == b ? c : old;
    case AtomicOp::exch:
      return b;
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case AtomicOp::bit_and:
        return static_cast<T>(old & b);
      case AtomicOp::bit_or:
        return static_cast<T>(old | b);
      case AtomicOp::bit_xor:
        return static_cast<T>(old ^ b);
      default:
        break;
    }
  }
  return old;
}

/// Values whose bits travel through the compare-and-swap as U.
template <class T, class U>
struct Plain {
  static U apply(AtomicOp op, U old, U b, U c) {
    if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
      if (op == AtomicOp::add) return old + b;  // wraps
    }
    return bits<U>(combine<T>(op, bits<T>(old), bits<T>(b), bits<T>(c)));
  }
};
template <bool kBf>
struct Half {
  static u16 apply(AtomicOp op, u16 old, u16 b, u16) {
    const float x = kBf ? bf16_to_f32(old) : f16_to_f32(old), y = kBf ? bf16_to_f32(b) : f16_to_f32(b);
    if (op == AtomicOp::exch) return b;
    const double sum = add_to_odd(static_cast<double>(x), static_cast<double>(y));
    if (op == AtomicOp::add) return static_cast<u16>(round_to(kBf ? kBf16 : kF16, sum, Rounding::nearest_even));
    if (x != x) return b;
    if (y != y) return old;
    return (op == AtomicOp::min) == (y < x) ? b : old;
  }
};
template <bool kBf>
struct HalfPair {
  static u32 apply(AtomicOp op, u32 old, u32 b, u32) {
    const u32 low = Half<kBf>::apply(op, static_cast<u16>(old), static_cast<u16>(b), 0);
    const u32 high = Half<kBf>::apply(op, static_cast<u16>(old >> 16), static_cast<u16>(b >> 16), 0);
    return low | high << 16;
  }
};

template <class U, class Apply, AtomicOp kOp>
void run(Warp& warp, const Instruction& in, std::uint32_t mask) {
  u64 address[kLanes];
  addresses(warp, in, 1, address);
  const bool framed = static_cast<ptx::Space>(in.size) == ptx::Space::local;
  const U* b = row<U>(warp, in.operand[2]);
  const U* c = row<U>(warp, in.operand[3]);
  U result[kLanes] = {};
  for_lanes(mask, [&](unsigned i) {
    const u64 at = address[i] + (framed ? frame_offset(warp, in) : 0);
    auto* cell = reinterpret_cast<U*>(locate_one(warp, in, i, static_cast<ptx::Space>(in.size), at, sizeof(U)));
    U old = __atomic_load_n(cell, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(cell, &old, Apply::apply(kOp, old, b[i], c[i]), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
    }
    result[i] = old;
  });
  if (in.count != 0) commit(row<U>(warp, in.operand[0]), result, mask);
}

template <class U, class Apply>
Handler of(AtomicOp op) {
  switch (op) {
    case AtomicOp::add:
      return run<U, Apply, AtomicOp::add>;
    case AtomicOp::min:
      return run<U, Apply, AtomicOp::min>;
    case AtomicOp::max:
      return run<U, Apply, AtomicOp::max>;
    case AtomicOp::inc:
      return run<U, Apply, AtomicOp::inc>;
    case AtomicOp::dec:
      return run<U, Apply, AtomicOp::dec>;
    case AtomicOp::cas:
      return run<U, Apply, AtomicOp::cas>;
    case AtomicOp::exch:
      return run<U, Apply, AtomicOp::exch>;
    case AtomicOp::bit_and:
      return run<U, Apply, AtomicOp::bit_and>;
    case AtomicOp::bit_or:
      return run<U, Apply, AtomicOp::bit_or>;
    case AtomicOp::bit_xor:
      return run<U, Apply, AtomicOp::bit_xor>;
  }
  return nullptr;
}

template <class U, class Apply>
void combine_at(AtomicOp op, void* cell, const void* operand) {
  auto* at = static_cast<U*>(cell);
  const U b = read<U>(operand);
  U old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (
      !__atomic_compare_exchange_n(at, &old, Apply::apply(op, old, b, 0), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
}

}  // namespace

Combine combine_element(ptx::Type type) {
  using ptx::Type;
  switch (type) {
    case Type::b32:
    case Type::u32:
      return combine_at<u32, Plain<u32, u32>>;
    case Type::s32:
      return combine_at<u32, Plain<s32, u32>>;
    case Type::b64:
    case Type::u64:
      return combine_at<u64, Plain<u64, u64>>;
    case Type::s64:
      return combine_at<u64, Plain<s64, u64>>;
    case Type::f32:
      return combine_at<u32, Plain<float, u32>>;
    case Type::f64:
      return combine_at<u64, Plain<double, u64>>;
    case Type::f16:
      return combine_at<u16, Half<false>>;
    case Type::bf16:
      return combine_at<u16, Half<true>>;
    default:
      return nullptr;
  }
}

Handler atomic(AtomicOp op, ptx::Type type) {
  using ptx::Type;
  switch (type) {
    case Type::b16:
    case Type::u16:
      return of<u16, Plain<u16, u16>>(op);
    case Type::b32:
    case Type::u32:
      return of<u32, Plain<u32, u32>>(op);
    case Type::s32:
      return of<u32, Plain<s32, u32>>(op);
    case Type::b64:
    case Type::u64:
      return of<u64, Plain<u64, u64>>(op);
    case Type::s64:
      return of<u64, Plain<s64, u64>>(op);
    case Type::f32:
      return of<u32, Plain<float, u32>>(op);
    case Type::f64:
      return of<u64, Plain<double, u64>>(op);
    case Type::f16:
      return of<u16, Half<false>>(op);
    case Type::bf16:
      return of<u16, Half<true>>(op);
    case Type::f16x2:
      return of<u32, HalfPair<false>>(op);
    case Type::bf16x2:
      return of<u32, HalfPair<true>>(op);
    default:
      return nullptr;
  }
}

}  // namespace emulator::control
