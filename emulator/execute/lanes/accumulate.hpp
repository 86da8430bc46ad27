// How a tensor core may add. The manual leaves the order of additions and their rounding open and asks for single
// precision at least (PTX ISA 9.7.14.5.14). What devices do is known from experiments (Fasi, Higham, Mikaitis, Pranesh:
// Numerical behavior of NVIDIA tensor cores, PeerJ CS 7:e330, 2021; Khattak, Mikaitis: Accurate models of NVIDIA tensor
// cores, arXiv 2512.07004): exact products are added some at a time together with the accumulator; all of them are
// aligned to the largest, what falls behind its 24 bits and none, one or two more is cut off, and so is what the sum
// has beyond single precision. Sums that are half precision all along are rounded to nearest.
#pragma once

#include <array>

#include "execute/lanes/perturb.hpp"

namespace emulator::EMULATOR_SET {
namespace {

/// One tensor core, drawn from Launch::perturbation.
template <unsigned kK>
struct Adder {
  unsigned group;            ///< products that are added at once
  int bits;                  ///< of the largest addend that count
  std::array<u8, kK> order;  ///< in which products come

  explicit Adder(u64 seed) {
    u64 draw = scramble(seed ^ kK);
    const auto below = [&](unsigned bound) { return static_cast<unsigned>((draw = scramble(draw)) % bound); };
    group = std::min(4u << below(3), kK);
    bits = 24 + static_cast<int>(below(3));
    for (unsigned k = 0; k < kK; ++k) order[k] = static_cast<u8>(k);
    for (unsigned k = kK; k > 1; --k) std::swap(order[k - 1], order[below(k)]);
  }
};

inline float towards_zero(double v) {
  if (std::fabs(v) >= 0x1p128) return static_cast<float>(std::copysign(INFINITY, v));
  const auto near = static_cast<float>(v);
  return std::fabs(static_cast<double>(near)) > std::fabs(v) ? bits<float>(bits<u32>(near) - 1) : near;
}

/// The sum of `count` exact products and the accumulator, which is the last addend.
template <bool kHalf>
double add_aligned(const double* addend, unsigned count, int kept) {
  double largest = 0, plain = addend[count - 1];
  for (unsigned i = 0; i < count; ++i) largest = std::fmax(largest, std::fabs(addend[i]));
  for (unsigned i = 0; i + 1 < count; ++i) plain += addend[i];
  // Zeros keep IEEE's signs; infinities and NaNs know no order.
  if (largest == 0 || !std::isfinite(plain)) return plain;
  const double quantum = std::ldexp(1.0, std::ilogb(largest) + 1 - kept);
  double sum = 0;
  for (unsigned i = 0; i < count; ++i) sum += std::trunc(addend[i] / quantum);
  sum *= quantum;
  if (kHalf) return static_cast<double>(f16_to_f32(static_cast<u16>(round_to(kF16, sum, Rounding::nearest_even))));
  return static_cast<double>(towards_zero(sum));
}

/// a: kK factors of one row; b: kK rows of 8; sum: 8 accumulators.
template <unsigned kK, bool kHalf>
void add_products(const Adder<kK>& adder, const float* a, const float (*b)[8], float* sum) {
  for (unsigned n = 0; n < 8; ++n) {
    double addend[kK + 1];
    for (unsigned k = 0; k < kK; k += adder.group) {
      for (unsigned i = 0; i < adder.group; ++i) {
        const unsigned from = adder.order[k + i];
        addend[i] = static_cast<double>(a[from]) * static_cast<double>(b[from][n]);
      }
      addend[adder.group] = static_cast<double>(sum[n]);
      sum[n] = static_cast<float>(add_aligned<kHalf>(addend, adder.group + 1, adder.bits));
    }
  }
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
