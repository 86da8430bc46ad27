// cvt between pairs of 8-bit floats, e4m3 and e5m2, and wider ones (PTX ISA 9.7.9 cvt, 5.2.3 alternate formats).
#include "execute/lanes/formats.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

constexpr std::uint8_t kE5M2 = 1;  // mode; else e4m3

constexpr Format kFormatE4M3{3, -6, 8, 0x7F};
constexpr Format kFormatE5M2{2, -14, 15, 0x7F};
constexpr u64 kLargestE4M3 = 0x7E;  // 448; e4m3 has no infinity, and 0x7F is its NaN

u32 narrow(const Instruction& in, double v) {
  if (v != v) return 0x7F;
  if ((in.flags & kRelu) != 0 && v <= 0.0) return 0;
  const u32 sign = bits<u64>(v) >> 63 != 0 ? 0x80 : 0;
  const double size = __builtin_fabs(v);
  if ((in.mode & kE5M2) != 0) {
    return sign | static_cast<u32>(round_to(kFormatE5M2, size, Rounding::nearest_even, true));
  }
  const u64 magnitude = round_to(kFormatE4M3, size, Rounding::nearest_even, true);
  return sign | static_cast<u32>(magnitude > kLargestE4M3 ? kLargestE4M3 : magnitude);
}

/// Every value of both formats is one of f16's.
u32 widen(const Instruction& in, u32 v) {
  if ((in.mode & kE5M2) != 0) return (v & 0x7F) > 0x7C ? 0x7FFF : v << 8;
  const u32 sign = (v & 0x80) << 8, magnitude = v & 0x7F;
  if (magnitude == 0x7F) return 0x7FFF;
  if (magnitude >= 8) return sign | (((magnitude >> 3) + 8) << 10 | (magnitude & 7) << 7);
  // Subnormal: magnitude * 2^-9, a normal number in f16 but for zero.
  return sign | static_cast<u32>(f32_to_f16(static_cast<float>(magnitude) * 0x1p-9f));
}

void from_f32(Warp& warp, const Instruction& in, u32 mask) {
  const float* a = row<float>(warp, in.operand[1]);
  const float* b = row<float>(warp, in.operand[2]);
  u16 result[kLanes] = {};
  for_lanes(mask, [&](unsigned i) {
    result[i] = static_cast<u16>(narrow(in, static_cast<double>(a[i])) << 8 | narrow(in, static_cast<double>(b[i])));
  });
  commit(row<u16>(warp, in.operand[0]), result, mask);
}

void from_f16(Warp& warp, const Instruction& in, u32 mask) {
  const u32* a = row<u32>(warp, in.operand[1]);
  u16 result[kLanes] = {};
  for_lanes(mask, [&](unsigned i) {
    const auto part = [&](unsigned shift) {
      return narrow(in, static_cast<double>(f16_to_f32(static_cast<u16>(a[i] >> shift))));
    };
    result[i] = static_cast<u16>(part(16) << 8 | part(0));
  });
  commit(row<u16>(warp, in.operand[0]), result, mask);
}

void to_f16(Warp& warp, const Instruction& in, u32 mask) {
  const u16* a = row<u16>(warp, in.operand[1]);
  u32 result[kLanes] = {};
  for_lanes(mask, [&](unsigned i) {
    const auto part = [&](u32 v) {
      const u32 wide = widen(in, v);
      return (in.flags & kRelu) != 0 && wide > 0x8000 ? 0 : wide;
    };
    result[i] = part(a[i] >> 8) << 16 | part(a[i] & 0xFF);
  });
  commit(row<u32>(warp, in.operand[0]), result, mask);
}

}  // namespace

Handler convert_eight(EightOp op) {
  switch (op) {
    case EightOp::from_f32:
      return from_f32;
    case EightOp::from_f16:
      return from_f16;
    case EightOp::to_f16:
      return to_f16;
  }
  return nullptr;
}

}  // namespace emulator::EMULATOR_SET
