// Integer arithmetic, also in extended precision (PTX ISA 9.7.1, 9.7.2).
#include "execute/lanes/row.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

__extension__ using s128 = __int128;
__extension__ using u128 = unsigned __int128;

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

template <class T>
struct WiderOf;
template <>
struct WiderOf<u16> {
  using type = u32;
};
template <>
struct WiderOf<s16> {
  using type = s32;
};
template <>
struct WiderOf<u32> {
  using type = u64;
};
template <>
struct WiderOf<s32> {
  using type = s64;
};
template <>
struct WiderOf<u64> {
  using type = u128;
};
template <>
struct WiderOf<s64> {
  using type = s128;
};
template <class T>
using Wider = typename WiderOf<T>::type;

/// Arithmetic modulo 2^n whatever T's sign.
template <class T>
T wrap_add(T a, T b) {
  return static_cast<T>(static_cast<u64>(a) + static_cast<u64>(b));
}
template <>
u32 wrap_add(u32 a, u32 b) {
  return a + b;
}
template <class T>
T wrap_sub(T a, T b) {
  return static_cast<T>(static_cast<u64>(a) - static_cast<u64>(b));
}
template <>
u32 wrap_sub(u32 a, u32 b) {
  return a - b;
}
template <class T>
T wrap_mul(T a, T b) {
  return static_cast<T>(static_cast<u64>(a) * static_cast<u64>(b));
}
template <>
u32 wrap_mul(u32 a, u32 b) {
  return a * b;
}
template <class T>
T high(T a, T b) {
  return static_cast<T>((static_cast<Wider<T>>(a) * static_cast<Wider<T>>(b)) >> kBits<T>);
}
template <class T>
s64 low24(T a) {
  return std::is_signed_v<T> ? static_cast<s64>(static_cast<s32>(static_cast<u32>(a) << 8) >> 8)
                             : static_cast<s64>(static_cast<u32>(a) & 0xFFFFFFu);
}

struct Add {
  template <class D, class T>
  static D apply(T a, T b) {
    return wrap_add(a, b);
  }
};
struct Sub {
  template <class D, class T>
  static D apply(T a, T b) {
    return wrap_sub(a, b);
  }
};
struct MulLo {
  template <class D, class T>
  static D apply(T a, T b) {
    return wrap_mul(a, b);
  }
};
struct MulHi {
  template <class D, class T>
  static D apply(T a, T b) {
    return high(a, b);
  }
};
struct MulWide {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>(static_cast<D>(a) * static_cast<D>(b));
  }
};
struct MadLo {
  template <class D, class T>
  static D apply(T a, T b, T c) {
    return wrap_add(wrap_mul(a, b), c);
  }
};
struct MadHi {
  template <class D, class T>
  static D apply(T a, T b, T c) {
    return wrap_add(high(a, b), c);
  }
};
struct MadWide {
  template <class D, class T>
  static D apply(T a, T b, D c) {
    return wrap_add(static_cast<D>(static_cast<D>(a) * static_cast<D>(b)), c);
  }
};
struct Mul24Lo {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>(low24(a) * low24(b));
  }
};
struct Mul24Hi {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>((low24(a) * low24(b)) >> 16);
  }
};
struct Mad24Lo {
  template <class D, class T>
  static D apply(T a, T b, T c) {
    return static_cast<D>(static_cast<u64>(low24(a) * low24(b)) + static_cast<u64>(c));
  }
};
struct Mad24Hi {
  template <class D, class T>
  static D apply(T a, T b, T c) {
    return static_cast<D>(static_cast<u64>((low24(a) * low24(b)) >> 16) + static_cast<u64>(c));
  }
};
struct Sad {
  template <class D, class T>
  static D apply(T a, T b, T c) {
    return wrap_add(c, a < b ? wrap_sub(b, a) : wrap_sub(a, b));
  }
};
/// Division by zero gives all ones, as the hardware does; the manual leaves it open.
struct Div {
  template <class D, class T>
  static D apply(T a, T b) {
    if (b == 0) return static_cast<D>(~T{0});
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return wrap_sub(T{0}, a);
    return static_cast<D>(a / b);
  }
};
struct Rem {
  template <class D, class T>
  static D apply(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return T{0};
    return static_cast<D>(a % b);
  }
};
struct Abs {
  template <class D, class T>
  static D apply(T a) {
    return a < 0 ? wrap_sub(T{0}, a) : a;
  }
};
struct Neg {
  template <class D, class T>
  static D apply(T a) {
    return wrap_sub(T{0}, a);
  }
};
struct Min {
  template <class D, class T>
  static D apply(T a, T b) {
    return a < b ? a : b;
  }
};
struct Max {
  template <class D, class T>
  static D apply(T a, T b) {
    return a < b ? b : a;
  }
};
/// Extended precision: operand 4 is the carry row; mode bit 0 reads it, bit 1 writes it. A subtraction is an addition
/// of the complement: what it leaves is a carry where nothing was borrowed. Chains of one kind do not show it, but
/// 128-bit division as CUDA's compilers write it reads the outcome of subc.cc with addc.
template <class T, IntegerOp kOp>
void carry(Warp& warp, const Instruction& in, u32 mask) {
  constexpr bool kProduct = kOp == IntegerOp::mad_lo_cc || kOp == IntegerOp::mad_hi_cc;
  const T* a = row<T>(warp, in.operand[1]);
  const T* b = row<T>(warp, in.operand[2]);
  const T* c = kProduct ? row<T>(warp, in.operand[3]) : nullptr;
  u32& carries = mask_row(warp, in.operand[4]);
  constexpr u32 kNothing = kOp == IntegerOp::sub_cc ? kAllLanes : 0;
  const u32 before = (in.mode & 1) != 0 ? carries : kNothing;
  T result[kLanes];
  u32 out = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    const auto carry_in = static_cast<u128>((before >> i) & 1u);
    u128 sum = 0;
    if constexpr (kOp == IntegerOp::sub_cc) {
      sum = static_cast<u128>(a[i]) + static_cast<u128>(static_cast<T>(~b[i])) + carry_in;
    } else if constexpr (kOp == IntegerOp::mad_lo_cc) {
      sum = static_cast<u128>(wrap_mul(a[i], b[i])) + c[i] + carry_in;
    } else if constexpr (kOp == IntegerOp::mad_hi_cc) {
      sum = static_cast<u128>((in.mode & 4) != 0 ? static_cast<T>(high(static_cast<std::make_signed_t<T>>(a[i]),
                                                                       static_cast<std::make_signed_t<T>>(b[i])))
                                                 : high(a[i], b[i])) +
            c[i] + carry_in;
    } else {
      sum = static_cast<u128>(a[i]) + static_cast<u128>(b[i]) + carry_in;
    }
    result[i] = static_cast<T>(sum);
    out |= static_cast<u32>((sum >> kBits<T>)&1u) << i;
  }
  commit(row<T>(warp, in.operand[0]), result, mask);
  if ((in.mode & 2) != 0) commit_mask(carries, out, mask);
}

struct AddSat {
  template <class D>
  static D apply(s32 a, s32 b) {
    return clamp(static_cast<s64>(a) + b);
  }
  static s32 clamp(s64 v) { return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : static_cast<s32>(v); }
};

template <class T>
Handler arithmetic(IntegerOp op) {
  switch (op) {
    case IntegerOp::add:
      return binary<T, T, T, Add>;
    case IntegerOp::sub:
      return binary<T, T, T, Sub>;
    case IntegerOp::mul_lo:
      return binary<T, T, T, MulLo>;
    case IntegerOp::mul_hi:
      return binary<T, T, T, MulHi>;
    case IntegerOp::mad_lo:
      return ternary<T, T, T, T, MadLo>;
    case IntegerOp::mad_hi:
      return ternary<T, T, T, T, MadHi>;
    case IntegerOp::sad:
      return ternary<T, T, T, T, Sad>;
    case IntegerOp::div:
      return binary<T, T, T, Div>;
    case IntegerOp::rem:
      return binary<T, T, T, Rem>;
    case IntegerOp::abs:
      return unary<T, T, Abs>;
    case IntegerOp::neg:
      return unary<T, T, Neg>;
    case IntegerOp::min:
      return binary<T, T, T, Min>;
    case IntegerOp::max:
      return binary<T, T, T, Max>;
    default:
      break;
  }
  if constexpr (sizeof(T) < 8) {
    using D = Wider<T>;
    if (op == IntegerOp::mul_wide) return binary<D, T, T, MulWide>;
    if (op == IntegerOp::mad_wide) return ternary<D, T, T, D, MadWide>;
  }
  if constexpr (sizeof(T) == 4) {
    switch (op) {
      case IntegerOp::mul24_lo:
        return binary<T, T, T, Mul24Lo>;
      case IntegerOp::mul24_hi:
        return binary<T, T, T, Mul24Hi>;
      case IntegerOp::mad24_lo:
        return ternary<T, T, T, T, Mad24Lo>;
      case IntegerOp::mad24_hi:
        return ternary<T, T, T, T, Mad24Hi>;
      default:
        break;
    }
  }
  return nullptr;
}

template <class T>
Handler extended(IntegerOp op) {
  switch (op) {
    case IntegerOp::add_cc:
      return carry<T, IntegerOp::add_cc>;
    case IntegerOp::sub_cc:
      return carry<T, IntegerOp::sub_cc>;
    case IntegerOp::mad_lo_cc:
      return carry<T, IntegerOp::mad_lo_cc>;
    case IntegerOp::mad_hi_cc:
      return carry<T, IntegerOp::mad_hi_cc>;
    default:
      return nullptr;
  }
}

struct PackedAdd {
  template <class D>
  static D apply(u32 a, u32 b) {
    return ((a + b) & 0xFFFFu) | (((a >> 16) + (b >> 16)) << 16);
  }
};
template <class T, bool kMax>
struct PackedMinMax {
  template <class D>
  static D apply(u32 a, u32 b) {
    u32 result = 0;
    for (unsigned k = 0; k < 32; k += 16) {
      const T x = static_cast<T>(a >> k), y = static_cast<T>(b >> k);
      result |= static_cast<u32>(static_cast<u16>(((x < y) != kMax) ? x : y)) << k;
    }
    return result;
  }
};

template <class T>
Handler packed(IntegerOp op) {
  switch (op) {
    case IntegerOp::add:
      return binary<u32, u32, u32, PackedAdd>;
    case IntegerOp::min:
      return binary<u32, u32, u32, PackedMinMax<T, false>>;
    case IntegerOp::max:
      return binary<u32, u32, u32, PackedMinMax<T, true>>;
    default:
      return nullptr;
  }
}

struct SubSat {
  template <class D>
  static D apply(s32 a, s32 b) {
    return AddSat::clamp(static_cast<s64>(a) - b);
  }
};
struct MadHiSat {
  template <class D>
  static D apply(s32 a, s32 b, s32 c) {
    return AddSat::clamp(static_cast<s64>(high(a, b)) + c);
  }
};

}  // namespace

Handler integer(IntegerOp op, ptx::Type type) {
  using ptx::Type;
  if (Handler handler = bit_operation(op, type)) return handler;
  switch (type) {
    case Type::b32:
      return extended<u32>(op);
    case Type::b64:
      return extended<u64>(op);
    case Type::u16:
      return arithmetic<u16>(op);
    case Type::s16:
      return arithmetic<s16>(op);
    case Type::u32:
      return arithmetic<u32>(op);
    case Type::s32:
      return arithmetic<s32>(op);
    case Type::u64:
      return arithmetic<u64>(op);
    case Type::s64:
      return arithmetic<s64>(op);
    case Type::u16x2:
      return packed<u16>(op);
    case Type::s16x2:
      return packed<s16>(op);
    default:
      return nullptr;
  }
}

Handler saturating(IntegerOp op) {
  switch (op) {
    case IntegerOp::add:
      return binary<s32, s32, s32, AddSat>;
    case IntegerOp::sub:
      return binary<s32, s32, s32, SubSat>;
    case IntegerOp::mad_hi:
      return ternary<s32, s32, s32, s32, MadHiSat>;
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
