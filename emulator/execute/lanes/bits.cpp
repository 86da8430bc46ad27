// Logic, shifts, bit fields and the like (PTX ISA 9.7.1 popc … dp2a, 9.7.8).
#include "execute/lanes/row.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

struct And {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>(a & b);
  }
};
struct Or {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>(a | b);
  }
};
struct Xor {
  template <class D, class T>
  static D apply(T a, T b) {
    return static_cast<D>(a ^ b);
  }
};
struct Not {
  template <class D, class T>
  static D apply(T a) {
    return static_cast<D>(~a);
  }
};
struct Cnot {
  template <class D, class T>
  static D apply(T a) {
    return a == 0 ? 1 : 0;
  }
};
struct Shl {
  template <class D, class T>
  static D apply(T a, u32 b) {
    const u32 amount = b & (kBits<T> - 1);
    return b >= kBits<T> ? D{0} : static_cast<D>(static_cast<Unsigned<T>>(a) << amount);
  }
};
struct Shr {
  template <class D, class T>
  static D apply(T a, u32 b) {
    if constexpr (std::is_signed_v<T>) {
      const u32 amount = b >= kBits<T> ? kBits<T> - 1 : b;
      return static_cast<D>(a >> amount);
    } else {
      const u32 amount = b & (kBits<T> - 1);
      return b >= kBits<T> ? D{0} : static_cast<D>(a >> amount);
    }
  }
};
struct Popc {
  template <class D, class T>
  static D apply(T a) {
    return static_cast<D>(__builtin_popcountll(a));
  }
};
struct Clz {
  template <class D, class T>
  static D apply(T a) {
    return a == 0 ? kBits<T> : static_cast<D>(static_cast<unsigned>(__builtin_clzll(a)) - (64 - kBits<T>));
  }
};
struct Brev {
  template <class D, class T>
  static D apply(T a) {
    u64 v = a;
    v = ((v >> 1) & 0x5555555555555555u) | ((v & 0x5555555555555555u) << 1);
    v = ((v >> 2) & 0x3333333333333333u) | ((v & 0x3333333333333333u) << 2);
    v = ((v >> 4) & 0x0F0F0F0F0F0F0F0Fu) | ((v & 0x0F0F0F0F0F0F0F0Fu) << 4);
    return static_cast<D>(__builtin_bswap64(v) >> (64 - kBits<T>));
  }
};
/// Position of the highest bit that differs from the sign; all ones when there is none.
template <class T>
u32 highest_bit(T a) {
  const auto v = static_cast<Unsigned<T>>(a < 0 ? ~a : a);
  return v == 0 ? ~0u : 63u - static_cast<u32>(__builtin_clzll(v));
}
struct Bfind {
  template <class D, class T>
  static D apply(T a) {
    return highest_bit(a);
  }
};
struct BfindShift {
  template <class D, class T>
  static D apply(T a) {
    const u32 position = highest_bit(a);
    return position == ~0u ? position : kBits<T> - 1 - position;
  }
};
struct Bfe {
  template <class D, class T>
  static D apply(T a, u32 b, u32 c) {
    const u32 position = b & 0xFF;
    const u32 length = c & 0xFF;
    constexpr u32 msb = kBits<T> - 1;
    const auto bit = [&](u32 at) { return (static_cast<Unsigned<T>>(a) >> at) & 1u; };
    u64 sign = 0;
    if (std::is_signed_v<T> && length != 0) sign = bit(position + length - 1 < msb ? position + length - 1 : msb);
    u64 result = position > msb ? 0 : static_cast<u64>(static_cast<Unsigned<T>>(a)) >> position;
    const u32 valid = position > msb ? 0 : (length < kBits<T> - position ? length : kBits<T> - position);
    const u64 field = valid >= 64 ? ~u64{0} : (u64{1} << valid) - 1;
    result &= field;
    if (sign != 0) result |= ~field;
    return static_cast<D>(result);
  }
};
struct Shf {
  static u32 left(u32 low, u32 high_word, u32 n) {
    return n == 0 ? high_word : n >= 32 ? low : (high_word << n) | (low >> (32 - n));
  }
  static u32 right(u32 low, u32 high_word, u32 n) {
    return n == 0 ? low : n >= 32 ? high_word : (high_word << (32 - n)) | (low >> n);
  }
};
void shf(Warp& warp, const Instruction& in, u32 mask, bool left) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  const u32* c = row<u32>(warp, in.operand[3]);
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u32 n = in.mode != 0 ? (c[i] < 32 ? c[i] : 32) : c[i] & 31;
    result[i] = left ? Shf::left(a[i], b[i], n) : Shf::right(a[i], b[i], n);
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}
void shf_left(Warp& warp, const Instruction& in, u32 mask) {
  shf(warp, in, mask, true);
}
void shf_right(Warp& warp, const Instruction& in, u32 mask) {
  shf(warp, in, mask, false);
}

void lop3(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  const u32* c = row<u32>(warp, in.operand[3]);
  const unsigned table = in.mode;
  u32 term[8];
  for (unsigned k = 0; k < 8; ++k) term[k] = (table >> k) & 1u ? ~0u : 0u;
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u32 x = a[i], y = b[i], z = c[i];
    const u32 low = (~y & ((~z & term[0]) | (z & term[1]))) | (y & ((~z & term[2]) | (z & term[3])));
    const u32 up = (~y & ((~z & term[4]) | (z & term[5]))) | (y & ((~z & term[6]) | (z & term[7])));
    result[i] = (~x & low) | (x & up);
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

u32 permute_index(u32 control, unsigned k, unsigned mode) {
  const u32 s = control & 3u;
  switch (mode) {
    case 1:
      return (s + k) & 7u;  // f4e
    case 2:
      return (s + 8 - k) & 7u;  // b4e
    case 3:
      return s;  // rc8
    case 4:
      return k < s ? s : k;  // ecl
    case 5:
      return k < s ? k : s;  // ecr
    case 6:
      return (control & 1u) * 2 + (k & 1u);  // rc16
    default:
      return (control >> (4 * k)) & 0xFu;
  }
}

void prmt(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  const u32* c = row<u32>(warp, in.operand[3]);
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u64 bytes = static_cast<u64>(b[i]) << 32 | a[i];
    u32 value = 0;
    for (unsigned k = 0; k < 4; ++k) {
      const u32 pick = permute_index(c[i], k, in.mode);
      u32 byte = static_cast<u32>(bytes >> (8 * (pick & 7u))) & 0xFFu;
      if ((pick & 8u) != 0) byte = (byte & 0x80u) != 0 ? 0xFFu : 0u;
      value |= byte << (8 * k);
    }
    result[i] = value;
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

template <class T>
void bfi(Warp& warp, const Instruction& in, u32 mask) {
  const T* f = row<T>(warp, in.operand[1]);
  const T* onto = row<T>(warp, in.operand[2]);
  const u32* position = row<u32>(warp, in.operand[3]);
  const u32* length = row<u32>(warp, in.operand[4]);
  T result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u32 at = position[i] & 0xFF;
    const u32 bits_wanted = length[i] & 0xFF;
    result[i] = onto[i];
    if (at >= kBits<T> || bits_wanted == 0) continue;
    const u32 count = bits_wanted < kBits<T> - at ? bits_wanted : kBits<T> - at;
    const T field = static_cast<T>((count >= 64 ? ~u64{0} : (u64{1} << count) - 1) << at);
    result[i] = static_cast<T>((onto[i] & ~field) | (static_cast<T>(f[i] << at) & field));
  }
  commit(row<T>(warp, in.operand[0]), result, mask);
}

/// Mode 1 clamps, mode 0 wraps.
void bmsk(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u32 at = in.mode != 0 ? (a[i] < 32 ? a[i] : 32) : a[i] & 31;
    const u32 width = in.mode != 0 ? (b[i] < 32 ? b[i] : 32) : b[i] & 31;
    result[i] = static_cast<u32>(((u64{1} << width) - 1) << at);
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

template <class T>
void szext(Warp& warp, const Instruction& in, u32 mask) {
  const T* a = row<T>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  T result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    const u32 width = in.mode != 0 ? (b[i] < 32 ? b[i] : 32) : b[i] & 31;
    const u32 shift = 32 - width;
    result[i] = width == 0 ? T{0} : static_cast<T>(static_cast<T>(static_cast<u32>(a[i]) << shift) >> shift);
  }
  commit(row<T>(warp, in.operand[0]), result, mask);
}

u32 find_nth(u32 mask, u32 base, s32 offset) {
  if (base >= 32) return ~0u;
  if (offset == 0) return (mask >> base) & 1u ? base : ~0u;
  const int step = offset > 0 ? 1 : -1;
  s64 left = offset > 0 ? offset : -static_cast<s64>(offset);
  for (int at = static_cast<int>(base); at >= 0 && at < 32; at += step) {
    if ((mask >> at) & 1u && --left == 0) return static_cast<u32>(at);
  }
  return ~0u;
}

void fns(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  const s32* c = row<s32>(warp, in.operand[3]);
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = find_nth(a[i], b[i], c[i]);
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

/// mode: bit 0: a is signed, bit 1: b is signed, bit 2: the upper half of b (dp2a).
void dot(Warp& warp, const Instruction& in, u32 mask, bool four) {
  const u32* a = row<u32>(warp, in.operand[1]);
  const u32* b = row<u32>(warp, in.operand[2]);
  const u32* c = row<u32>(warp, in.operand[3]);
  const bool signed_a = (in.mode & 1) != 0;
  const bool signed_b = (in.mode & 2) != 0;
  const auto byte = [](u32 v, unsigned k, bool s) {
    return s ? static_cast<s32>(static_cast<s8>(v >> 8 * k)) : static_cast<s32>(static_cast<u8>(v >> 8 * k));
  };
  const auto word = [](u32 v, unsigned k, bool s) {
    return s ? static_cast<s32>(static_cast<s16>(v >> 16 * k)) : static_cast<s32>(static_cast<u16>(v >> 16 * k));
  };
  const unsigned first = (in.mode & 4) != 0 ? 2 : 0;
  u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    u32 sum = c[i];
    if (four) {
      for (unsigned k = 0; k < 4; ++k) sum += static_cast<u32>(byte(a[i], k, signed_a) * byte(b[i], k, signed_b));
    } else {
      for (unsigned k = 0; k < 2; ++k) {
        sum += static_cast<u32>(word(a[i], k, signed_a) * byte(b[i], k + first, signed_b));
      }
    }
    result[i] = sum;
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}
void dp4a(Warp& warp, const Instruction& in, u32 mask) {
  dot(warp, in, mask, true);
}
void dp2a(Warp& warp, const Instruction& in, u32 mask) {
  dot(warp, in, mask, false);
}

/// Instructions whose type is signed or not.
template <class T>
Handler fields(IntegerOp op) {
  if (op == IntegerOp::shr) return binary<T, T, u32, Shr>;
  if constexpr (sizeof(T) == 4) {
    if (op == IntegerOp::szext) return szext<T>;
  }
  if constexpr (sizeof(T) >= 4) {
    switch (op) {
      case IntegerOp::bfind:
        return unary<u32, T, Bfind>;
      case IntegerOp::bfind_shift:
        return unary<u32, T, BfindShift>;
      case IntegerOp::bfe:
        return ternary<T, T, u32, u32, Bfe>;
      default:
        break;
    }
  }
  return nullptr;
}

template <class T>
Handler logic(IntegerOp op) {
  switch (op) {
    case IntegerOp::bit_and:
      return binary<T, T, T, And>;
    case IntegerOp::bit_or:
      return binary<T, T, T, Or>;
    case IntegerOp::bit_xor:
      return binary<T, T, T, Xor>;
    case IntegerOp::bit_not:
      return unary<T, T, Not>;
    case IntegerOp::cnot:
      return unary<T, T, Cnot>;
    case IntegerOp::shl:
      return binary<T, T, u32, Shl>;
    case IntegerOp::shr:
      return binary<T, T, u32, Shr>;
    default:
      break;
  }
  if constexpr (sizeof(T) >= 4) {
    switch (op) {
      case IntegerOp::popc:
        return unary<u32, T, Popc>;
      case IntegerOp::clz:
        return unary<u32, T, Clz>;
      case IntegerOp::brev:
        return unary<T, T, Brev>;
      case IntegerOp::bfi:
        return bfi<T>;
      default:
        break;
    }
  }
  return nullptr;
}

Handler word_only(IntegerOp op) {
  switch (op) {
    case IntegerOp::shf_l:
      return shf_left;
    case IntegerOp::shf_r:
      return shf_right;
    case IntegerOp::lop3:
      return lop3;
    case IntegerOp::prmt:
      return prmt;
    case IntegerOp::fns:
      return fns;
    case IntegerOp::bmsk:
      return bmsk;
    case IntegerOp::dp4a:
      return dp4a;
    case IntegerOp::dp2a:
      return dp2a;
    default:
      return nullptr;
  }
}

}  // namespace

Handler bit_operation(IntegerOp op, ptx::Type type) {
  using ptx::Type;
  if (Handler handler = word_only(op)) return handler;
  switch (type) {
    case Type::b16:
      return logic<u16>(op);
    case Type::b32:
      return logic<u32>(op);
    case Type::b64:
      return logic<u64>(op);
    case Type::u16:
      return fields<u16>(op);
    case Type::s16:
      return fields<s16>(op);
    case Type::u32:
      return fields<u32>(op);
    case Type::s32:
      return fields<s32>(op);
    case Type::u64:
      return fields<u64>(op);
    case Type::s64:
      return fields<s64>(op);
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
