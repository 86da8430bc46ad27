// cvt (PTX ISA 9.7.9 cvt): a general conversion lane by lane, and whole-row forms of the frequent ones.
#include <cmath>

#include "execute/lanes/formats.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

using ptx::Type;

// Where a general conversion keeps its types: operand[4] is the destination's, operand[5] the source's.
Type to_type(const Instruction& in) {
  return static_cast<Type>(in.operand[4]);
}
Type from_type(const Instruction& in) {
  return static_cast<Type>(in.operand[5]);
}

u64 read_register(const Warp& warp, RowOperand operand, unsigned bytes, unsigned lane) {
  switch (bytes) {
    case 2:
      return row<u16>(warp, operand)[lane];
    case 4:
      return row<u32>(warp, operand)[lane];
    default:
      return row<u64>(warp, operand)[lane];
  }
}

void write_register(const Warp& warp, RowOperand operand, unsigned bytes, unsigned lane, u64 value) {
  switch (bytes) {
    case 2:
      row<u16>(warp, operand)[lane] = static_cast<u16>(value);
      break;
    case 4:
      row<u32>(warp, operand)[lane] = static_cast<u32>(value);
      break;
    default:
      row<u64>(warp, operand)[lane] = value;
      break;
  }
}

double widen(Type type, u64 v) {
  switch (type) {
    case Type::f16:
      return static_cast<double>(f16_to_f32(static_cast<u16>(v)));
    case Type::bf16:
      return static_cast<double>(bf16_to_f32(static_cast<u16>(v)));
    case Type::f64:
      return bits<double>(v);
    default:
      return static_cast<double>(bits<float>(static_cast<u32>(v)));
  }
}

const Format& format_of(Type type) {
  switch (type) {
    case Type::f16:
      return kF16;
    case Type::bf16:
      return kBf16;
    case Type::tf32:
      return kTf32;
    case Type::f64:
      return kF64;
    default:
      return kF32;
  }
}

double flush_single(double v) {
  return std::fabs(v) < 0x1p-126 ? std::copysign(0.0, v) : v;
}

double round_whole(double v, Rounding rounding) {
  switch (rounding) {
    case Rounding::zero:
      return std::trunc(v);
    case Rounding::down:
      return std::floor(v);
    case Rounding::up:
      return std::ceil(v);
    default: {
      const double down = std::floor(v);
      const double rest = v - down;
      const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(down, 2.0) != 0.0);
      return std::copysign(up ? down + 1.0 : down, v);
    }
  }
}

u64 narrow_float(const Instruction& in, Type to, double v) {
  if ((in.flags & kSaturate) != 0) v = v > 0.0 ? (v < 1.0 ? v : 1.0) : 0.0;
  if ((in.flags & kRelu) != 0 && v <= 0.0) v = 0.0;
  const auto rounding = static_cast<Rounding>(in.mode & 7);
  u64 result = to == Type::f64 ? bits<u64>(v) : round_to(format_of(to), v, rounding, (in.flags & kFinite) != 0);
  if (to == Type::tf32) result = v != v ? 0x7FFFFFFFu : result << 13;
  if (to == Type::f32 && (in.flags & kFlushSubnormals) != 0 && (result & 0x7F800000u) == 0) result &= 0x80000000u;
  return result;
}

struct Range {
  s64 low;
  u64 high;
};
Range range_of(Type type) {
  const unsigned bit_count = static_cast<unsigned>(ptx::size_of(type)) * 8;
  if (ptx::is_signed(type)) {
    const u64 high = (u64{1} << (bit_count - 1)) - 1;
    return {-static_cast<s64>(high) - 1, high};
  }
  return {0, bit_count == 64 ? ~u64{0} : (u64{1} << bit_count) - 1};
}

u64 float_to_integer(const Instruction& in, Type from, Type to, double v) {
  const unsigned bit_count = static_cast<unsigned>(ptx::size_of(to)) * 8;
  if (v != v) return bit_count == 64 || from == Type::f64 ? u64{1} << (bit_count - 1) : 0;
  const double whole = round_whole(v, static_cast<Rounding>(in.mode & 7));
  const Range range = range_of(to);
  if (whole < 0.0) {
    if (range.low == 0) return 0;
    return whole <= static_cast<double>(range.low) ? static_cast<u64>(range.low)
                                                   : static_cast<u64>(static_cast<s64>(whole));
  }
  // 2^63 and 2^64 are exact in double, the largest integers below them are not.
  const double beyond = std::ldexp(1.0, static_cast<int>(ptx::is_signed(to) ? bit_count - 1 : bit_count));
  return whole >= beyond ? range.high : static_cast<u64>(whole);
}

u64 extend(Type type, u64 v) {
  switch (type) {
    case Type::s8:
      return static_cast<u64>(static_cast<s64>(static_cast<s8>(v)));
    case Type::s16:
      return static_cast<u64>(static_cast<s64>(static_cast<s16>(v)));
    case Type::s32:
      return static_cast<u64>(static_cast<s64>(static_cast<s32>(v)));
    case Type::b8:
    case Type::u8:
      return static_cast<u8>(v);
    case Type::b16:
    case Type::u16:
      return static_cast<u16>(v);
    case Type::b32:
    case Type::u32:
      return static_cast<u32>(v);
    default:
      return v;
  }
}

u64 integer_to_integer(const Instruction& in, Type from, Type to, u64 v) {
  v = extend(from, v);
  if ((in.flags & kSaturate) != 0) {
    const Range range = range_of(to);
    const bool negative = ptx::is_signed(from) && static_cast<s64>(v) < 0;
    if (negative && static_cast<s64>(v) < range.low) return static_cast<u64>(range.low);
    if (!negative && v > range.high) return range.high;
  }
  return extend(to, v);
}

u64 integer_to_float(const Instruction& in, Type from, Type to, u64 v) {
  v = extend(from, v);
  const bool negative = ptx::is_signed(from) && static_cast<s64>(v) < 0;
  if ((in.flags & kSaturate) != 0) v = negative ? 0 : (v > 1 ? 1 : v);
  return round_parts(format_of(to), negative && v != 0, negative ? 0 - v : v, 0, static_cast<Rounding>(in.mode & 7),
                     false);
}

constexpr std::uint8_t kWhole = 8;  ///< mode: .rni and its kin between float formats

u64 convert_one(const Instruction& in, u64 v) {
  const Type to = to_type(in), from = from_type(in);
  if (!ptx::is_float(from)) {
    return ptx::is_float(to) ? integer_to_float(in, from, to, v) : integer_to_integer(in, from, to, v);
  }
  double value = widen(from, v);
  if ((in.flags & kFlushSubnormals) != 0 && from == Type::f32) value = flush_single(value);
  if (!ptx::is_float(to)) return float_to_integer(in, from, to, value);
  if ((in.mode & kWhole) != 0) value = round_whole(value, static_cast<Rounding>(in.mode & 7));
  return narrow_float(in, to, value);
}

void general(Warp& warp, const Instruction& in, u32 mask) {
  for_lanes(mask, [&](unsigned lane) {
    const u64 v = convert_one(in, read_register(warp, in.operand[1], in.count, lane));
    const Type to = to_type(in);
    write_register(warp, in.operand[0], in.size, lane, ptx::is_float(to) ? v : extend(to, v));
  });
}

/// cvt.f16x2.f32 d, a, b: a goes to the upper half.
void pair(Warp& warp, const Instruction& in, u32 mask) {
  const float* a = row<float>(warp, in.operand[1]);
  const float* b = row<float>(warp, in.operand[2]);
  const Type to = to_type(in);
  u32 result[kLanes] = {};
  for_lanes(mask, [&](unsigned i) {
    result[i] = static_cast<u32>(narrow_float(in, to, static_cast<double>(a[i]))) << 16 |
                static_cast<u32>(narrow_float(in, to, static_cast<double>(b[i])));
  });
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

struct Bf16Round {
  static u16 apply(float v) { return f32_to_bf16(v); }
};
struct F16Round {
  static u16 apply(float v) { return f32_to_f16(v); }
};

template <class F>
void nearest_pair(Warp& warp, const Instruction& in, u32 mask) {
  const float* a = row<float>(warp, in.operand[1]);
  const float* b = row<float>(warp, in.operand[2]);
  alignas(64) u32 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) {
    result[i] = static_cast<u32>(F::apply(a[i])) << 16 | static_cast<u32>(F::apply(b[i]));
  }
  commit(row<u32>(warp, in.operand[0]), result, mask);
}
template <class F>
void nearest_half(Warp& warp, const Instruction& in, u32 mask) {
  const float* a = row<float>(warp, in.operand[1]);
  alignas(64) u16 result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = F::apply(a[i]);
  commit(row<u16>(warp, in.operand[0]), result, mask);
}

/// To tf32: the result keeps float's form with the low 13 bits clear.
struct Tf32Away {
  template <class D>
  static D apply(u32 v) {
    return (v & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FFFFFFFu : (v + 0x1000u) & 0xFFFFE000u;
  }
};
struct Tf32Even {
  template <class D>
  static D apply(u32 v) {
    return (v & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FFFFFFFu : (v + 0xFFFu + ((v >> 13) & 1u)) & 0xFFFFE000u;
  }
};

inline float canonical(float v) {
  return v != v ? bits<float>(0x7FFFFFFFu) : v;
}
struct FromF16 {
  template <class D>
  static D apply(u16 v) {
    return canonical(f16_to_f32(v));
  }
};
struct FromBf16 {
  template <class D>
  static D apply(u16 v) {
    return canonical(bf16_to_f32(v));
  }
};
template <class Through>
struct Cast {
  template <class D, class S>
  static D apply(S v) {
    return static_cast<D>(static_cast<Through>(v));
  }
};

/// Integers: read the low part of the register as `Through`, extend it into the destination.
template <class Through>
Handler integer_row(int to_register, int from_register) {
  switch (to_register * 10 + from_register) {
    case 22:
      return unary<u16, u16, Cast<Through>>;
    case 24:
      return unary<u16, u32, Cast<Through>>;
    case 28:
      return unary<u16, u64, Cast<Through>>;
    case 42:
      return unary<u32, u16, Cast<Through>>;
    case 44:
      return unary<u32, u32, Cast<Through>>;
    case 48:
      return unary<u32, u64, Cast<Through>>;
    case 82:
      return unary<u64, u16, Cast<Through>>;
    case 84:
      return unary<u64, u32, Cast<Through>>;
    case 88:
      return unary<u64, u64, Cast<Through>>;
    default:
      return nullptr;
  }
}

Handler integers(const ConvertSpec& spec, int to_register, int from_register) {
  // Widening reads through the source's type, narrowing through the destination's.
  const Type through = ptx::size_of(spec.from) <= ptx::size_of(spec.to) ? spec.from : spec.to;
  if (ptx::size_of(spec.from) < ptx::size_of(spec.to) && ptx::size_of(spec.to) < to_register) return nullptr;
  switch (through) {
    case Type::u8:
      return integer_row<u8>(to_register, from_register);
    case Type::s8:
      return integer_row<s8>(to_register, from_register);
    case Type::u16:
      return integer_row<u16>(to_register, from_register);
    case Type::s16:
      return integer_row<s16>(to_register, from_register);
    case Type::u32:
      return integer_row<u32>(to_register, from_register);
    case Type::s32:
      return integer_row<s32>(to_register, from_register);
    case Type::u64:
    case Type::s64:
      return integer_row<u64>(to_register, from_register);
    default:
      return nullptr;
  }
}

Handler frequent(const ConvertSpec& spec, int to_register, int from_register) {
  if (spec.saturate || spec.flush || spec.relu || spec.finite || spec.integer_rounding) return nullptr;
  const Type to = spec.to, from = spec.from;
  if (!ptx::is_float(to) && !ptx::is_float(from) && ptx::size_of(to) <= 8 && to != Type::f16x2 && to != Type::bf16x2) {
    return integers(spec, to_register, from_register);
  }
  if (to_register != ptx::size_of(to) || from_register != ptx::size_of(from)) return nullptr;
  if (to == Type::f32 && from == Type::f16) return unary<float, u16, FromF16>;
  if (to == Type::f32 && from == Type::bf16) return unary<float, u16, FromBf16>;
  if (to == Type::f64 && from == Type::f32) return unary<double, float, Cast<float>>;
  if (to == Type::f64 && from == Type::s32) return unary<double, s32, Cast<s32>>;
  if (to == Type::tf32 && spec.rounding == Rounding::nearest_away) return unary<u32, u32, Tf32Away>;
  if (spec.rounding != Rounding::nearest_even) return nullptr;
  if (to == Type::tf32) return unary<u32, u32, Tf32Even>;
  if (from == Type::f32) {
    if (to == Type::bf16x2) return nearest_pair<Bf16Round>;
    if (to == Type::f16x2) return nearest_pair<F16Round>;
    if (to == Type::bf16) return nearest_half<Bf16Round>;
    if (to == Type::f16) return nearest_half<F16Round>;
  }
  if (to == Type::f32 && from == Type::s32) return unary<float, s32, Cast<s32>>;
  if (to == Type::f32 && from == Type::u32) return unary<float, u32, Cast<s64>>;
  return nullptr;
}

}  // namespace

Handler convert(const ConvertSpec& spec, int to_register, int from_register) {
  if (Handler handler = frequent(spec, to_register, from_register)) return handler;
  return spec.to == Type::f16x2 || spec.to == Type::bf16x2 ? pair : general;
}

}  // namespace emulator::EMULATOR_SET
