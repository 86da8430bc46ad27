// 16-bit floating-point formats: exact widening, and rounding from double in every mode.
#pragma once

#include "execute/lanes/row.hpp"

namespace emulator::EMULATOR_SET {
namespace {

inline float bf16_to_f32(u16 v) {
  return bits<float>(static_cast<u32>(v) << 16);
}

/// Every binary16 value exactly: the bits read as a float are 2^112 times too small, but for infinity and NaN.
inline float f16_to_f32(u16 v) {
  const u32 sign = static_cast<u32>(v & 0x8000u) << 16;
  const u32 magnitude = static_cast<u32>(v & 0x7FFFu) << 13;
  const u32 scaled = bits<u32>(bits<float>(magnitude) * 0x1p112f);
  return bits<float>(sign | (magnitude >= 0x0F800000u ? magnitude | 0x7F800000u : scaled));
}

struct Format {
  int mantissa;      ///< explicit bits
  int min_exponent;  ///< of the smallest normal number
  int max_exponent;
  u64 nan;
  [[nodiscard]] constexpr u64 infinity() const { return static_cast<u64>(max_exponent - min_exponent + 2) << mantissa; }
  /// The bit above exponent and mantissa.
  [[nodiscard]] constexpr u64 sign() const { return (infinity() | (infinity() - 1)) + 1; }
};
constexpr Format kF16{10, -14, 15, 0x7FFF};
constexpr Format kBf16{7, -126, 127, 0x7FFF};
constexpr Format kTf32{10, -126, 127, 0x3FFFF};
constexpr Format kF32{23, -126, 127, 0x7FFFFFFF};
constexpr Format kF64{52, -1022, 1023, 0x7FF8000000000000};

inline bool rounds_up(Rounding rounding, bool negative, bool odd, u64 rest, u64 half) {
  switch (rounding) {
    case Rounding::nearest_even:
      return rest > half || (rest == half && odd);
    case Rounding::nearest_away:
      return rest >= half;
    case Rounding::zero:
      return false;
    case Rounding::down:
      return negative && rest != 0;
    case Rounding::up:
      return !negative && rest != 0;
  }
  return false;
}

/// Rounds ± significand * 2^exponent. `finite`: values beyond the largest number become it (cvt.satfinite).
inline u64 round_parts(const Format& format, bool negative, u64 significand, int exponent, Rounding rounding,
                       bool finite) {
  const u64 sign = negative ? format.sign() : 0;
  if (significand == 0) return sign;
  const int top = 63 - __builtin_clzll(significand);
  const int magnitude_exponent = exponent + top;  // of the leading bit
  const int quantum =
      (magnitude_exponent < format.min_exponent ? format.min_exponent : magnitude_exponent) - format.mantissa;
  const int dropped = quantum - exponent;
  u64 kept = 0, rest = 0, half = 2;
  if (dropped <= 0) {
    kept = significand << -dropped;
  } else if (dropped < 64) {
    kept = significand >> dropped;
    rest = significand & ((u64{1} << dropped) - 1);
    half = u64{1} << (dropped - 1);
  } else if (dropped == 64) {
    rest = significand;
    half = u64{1} << 63;
  } else {
    rest = 1;
  }
  kept += rounds_up(rounding, negative, (kept & 1) != 0, rest, half) ? 1 : 0;
  // A carry out of the significand moves into the exponent by itself, also from subnormal to normal.
  const int above = magnitude_exponent < format.min_exponent ? 0 : magnitude_exponent - format.min_exponent;
  const bool overflow = magnitude_exponent > format.max_exponent ||
                        (static_cast<u64>(above) << format.mantissa) + kept >= format.infinity();
  if (!overflow) return sign | ((static_cast<u64>(above) << format.mantissa) + kept);
  const bool to_infinity = rounding == Rounding::nearest_even || rounding == Rounding::nearest_away ||
                           (rounding == Rounding::up && !negative) || (rounding == Rounding::down && negative);
  return sign | (to_infinity && !finite ? format.infinity() : format.infinity() - 1);
}

/// Rounds a double to another format.
inline u64 round_to(const Format& format, double value, Rounding rounding, bool finite = false) {
  const u64 b = bits<u64>(value);
  const bool negative = (b >> 63) != 0;
  const int biased = static_cast<int>((b >> 52) & 0x7FF);
  const u64 fraction = b & ((u64{1} << 52) - 1);
  if (biased == 0x7FF) {
    if (fraction != 0) return format.nan;
    return (round_parts(format, negative, 0, 0, rounding, false)) |
           (finite ? format.infinity() - 1 : format.infinity());
  }
  if (biased == 0) return round_parts(format, negative, fraction, -1074, rounding, finite);
  return round_parts(format, negative, fraction | u64{1} << 52, biased - 1075, rounding, finite);
}

/// Nearest even from float, without a branch.
inline u16 f32_to_bf16(float v) {
  const u32 b = bits<u32>(v);
  const u32 rounded = (b + 0x7FFFu + ((b >> 16) & 1u)) >> 16;
  return static_cast<u16>((b & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FFFu : rounded);
}

/// Nearest even from float, without a branch.
inline u16 f32_to_f16(float v) {
  const u32 b = bits<u32>(v);
  const u32 sign = (b >> 16) & 0x8000u;
  const u32 magnitude = b & 0x7FFFFFFFu;
  // Normal results: rebias and round in integers. 0x477FF000 is the first value that rounds to infinity.
  const u32 normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
  // Subnormal results: adding 0.5 lets the float adder round to the 2^-24 grid.
  const u32 subnormal = bits<u32>(bits<float>(magnitude) + 0.5f) - 0x3F000000u;
  const u32 finite = magnitude < 0x38800000u ? subnormal : (magnitude >= 0x477FF000u ? 0x7C00u : normal);
  return static_cast<u16>(magnitude > 0x7F800000u ? 0x7FFFu : sign | finite);
}

/// a + b with the result's last bit telling whether it is inexact: rounding it again to a much narrower format gives
/// the correctly rounded sum.
inline double add_to_odd(double a, double b) {
  const double sum = a + b;
  if (!(sum - sum == 0)) return sum;  // infinite or NaN
  const double b_part = sum - a;
  const double error = (a - (sum - b_part)) + (b - b_part);
  if (error == 0 || (bits<u64>(sum) & 1) != 0) return sum;
  const bool away = (error > 0) == (sum > 0);
  return bits<double>(bits<u64>(sum) + (away ? u64{1} : ~u64{0}));
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
