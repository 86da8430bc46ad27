// Results moved within the errors that the PTX ISA manual grants. Which way and how far is a pure function of the
// launch's Launch::perturbation and of the operands, as on a device: the same instruction gives the same answer
// wherever it stands.
#pragma once

#include <cmath>

#include "execute/lanes/formats.hpp"

namespace emulator::EMULATOR_SET {
namespace {

inline u64 scramble(u64 v) {
  v += 0x9E3779B97F4A7C15u;
  v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9u;
  v = (v ^ (v >> 27)) * 0x94D049BB133111EBu;
  return v ^ (v >> 31);
}

/// How far a result may lie from the exact one.
struct Bound {
  enum class Kind : u8 { relative, absolute, ulps };
  Kind kind;
  double size;
};

/// Of the binade in which `value` lies, in this format.
inline double unit_in_last_place(const Format& format, double value) {
  const int exponent = value == 0 ? format.min_exponent : std::ilogb(value);
  return std::ldexp(1.0, (exponent < format.min_exponent ? format.min_exponent : exponent) - format.mantissa);
}

inline double reach(const Format& format, const Bound& bound, double exact) {
  switch (bound.kind) {
    case Bound::Kind::relative:
      return bound.size * std::fabs(exact);
    case Bound::Kind::absolute:
      return bound.size;
    case Bound::Kind::ulps:
      return bound.size * unit_in_last_place(format, exact);
  }
  return 0;
}

/// The exact value of a finite number of the format.
inline double value_of(const Format& format, u64 v) {
  const double sign = (v & format.sign()) != 0 ? -1.0 : 1.0;
  const u64 magnitude = v & (format.sign() - 1);
  const int biased = static_cast<int>(magnitude >> format.mantissa);
  const u64 fraction = magnitude & ((u64{1} << format.mantissa) - 1);
  const int quantum = (biased == 0 ? 1 : biased) - 1 + format.min_exponent - format.mantissa;
  return sign * std::ldexp(static_cast<double>(biased == 0 ? fraction : fraction | u64{1} << format.mantissa), quantum);
}

/// The neighbour of a finite number in the direction of `towards`.
inline u64 step(const Format& format, u64 v, double towards) {
  const bool negative = (v & format.sign()) != 0;
  if ((v & (format.sign() - 1)) == 0) return towards < 0 ? format.sign() | 1 : 1;
  return (towards > value_of(format, v)) != negative ? v + 1 : v - 1;
}

/// Some number of the format within the bound of `exact`; `rounded`, the right answer, where there is no other one.
/// `where` picks it.
inline u64 moved(const Format& format, u64 rounded, double exact, const Bound& bound, u64 where) {
  const double most = reach(format, bound, exact);
  const double fraction = static_cast<double>(static_cast<s64>(where)) * 0x1p-63;
  u64 candidate = round_to(format, exact + fraction * most, Rounding::nearest_even);
  for (unsigned tries = 0; tries < 2; ++tries) {
    if ((candidate & (format.sign() - 1)) >= format.infinity()) return rounded;
    if (bound.kind == Bound::Kind::ulps && ((candidate ^ rounded) & format.sign()) != 0) return rounded;
    if (std::fabs(value_of(format, candidate) - exact) <= most) return candidate;
    candidate = step(format, candidate, exact);
  }
  return rounded;
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
