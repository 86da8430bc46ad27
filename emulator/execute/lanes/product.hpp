// The product that tensor cores make: elements as they lie in registers, and C += A B for 8 columns. Shared by mma and
// wgmma, whose fragments of a warp are laid out alike.
#pragma once

#include "execute/lanes/accumulate.hpp"
#include "execute/lanes/formats.hpp"
#include "execute/lanes/vector8.hpp"

namespace emulator::EMULATOR_SET {
namespace {

// Element types as they lie in registers.
struct F16 {
  using Number = float;
  static constexpr unsigned kPerRegister = 2;
  static float get(u32 word, unsigned k) { return f16_to_f32(static_cast<u16>(word >> 16 * k)); }
};
struct Bf16 {
  using Number = float;
  static constexpr unsigned kPerRegister = 2;
  static float get(u32 word, unsigned k) { return bf16_to_f32(static_cast<u16>(word >> 16 * k)); }
};
struct Tf32 {
  using Number = float;
  static constexpr unsigned kPerRegister = 1;
  static float get(u32 word, unsigned) { return bits<float>(word & 0xFFFFE000u); }
};

/// One register of 32 lanes as floats, part by part: part p of lane l is out[p][l].
template <class E>
void widen(const u32* words, float (*out)[kLanes]) {
  for (unsigned p = 0; p < E::kPerRegister; ++p) {
    for (unsigned lane = 0; lane < kLanes; ++lane) out[p][lane] = E::get(words[lane], p);
  }
}

/// Two rows of sums as a register of halves.
inline void narrow(const float (*c)[kLanes], u32* words) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    words[lane] = static_cast<u32>(f32_to_f16(c[0][lane])) | static_cast<u32>(f32_to_f16(c[1][lane])) << 16;
  }
}

/// A row of sums as a register; there is one NaN.
inline void quiet(const float* c, float* values) {
  for (unsigned lane = 0; lane < kLanes; ++lane) values[lane] = c[lane] != c[lane] ? bits<float>(0x7FFFFFFFu) : c[lane];
}

/// Where the factors of column k stand: those of row 8 h + g, four floats for each g.
template <unsigned kHalves, unsigned kParts>
const float* row_of_a(const float (*a)[kParts][kLanes], unsigned h, unsigned k) {
  return a[k / (4 * kParts) * kHalves + h][k % kParts] + k % (4 * kParts) / kParts;
}

/// C += A B, adding the products in the order of k.
template <unsigned kA, unsigned kParts, unsigned kK>
void multiply_in_order(const float (*a)[kParts][kLanes], const float (*b)[8], float* const* c) {
  constexpr unsigned kHalves = kA * 4 * kParts / kK;
  for (unsigned h = 0; h < kHalves; ++h) {
    Vector8 sum[8];
    for (unsigned g = 0; g < 8; ++g) sum[g] = Vector8::load(c[2 * h] + 4 * g, c[2 * h + 1] + 4 * g);
    for (unsigned k = 0; k < kK; ++k) {
      const Vector8 line = Vector8::load(b[k], b[k] + 4);
      const float* scale = row_of_a<kHalves>(a, h, k);
      for (unsigned g = 0; g < 8; ++g) sum[g].add_scaled(scale[4 * g], line);
    }
    for (unsigned g = 0; g < 8; ++g) sum[g].store(c[2 * h] + 4 * g, c[2 * h + 1] + 4 * g);
  }
}

/// C += A B as some tensor core does it.
template <unsigned kA, unsigned kParts, unsigned kK, bool kHalf>
[[gnu::noinline]] void multiply_perturbed(u64 seed, const float (*a)[kParts][kLanes], const float (*b)[8],
                                          float* const* c) {
  constexpr unsigned kHalves = kA * 4 * kParts / kK;
  const Adder<kK> adder(seed);
  for (unsigned h = 0; h < kHalves; ++h) {
    for (unsigned g = 0; g < 8; ++g) {
      float factors[kK], sum[8];
      for (unsigned k = 0; k < kK; ++k) factors[k] = row_of_a<kHalves>(a, h, k)[4 * g];
      std::memcpy(sum, c[2 * h] + 4 * g, 16);
      std::memcpy(sum + 4, c[2 * h + 1] + 4 * g, 16);
      add_products<kK, kHalf>(adder, factors, b, sum);
      std::memcpy(c[2 * h] + 4 * g, sum, 16);
      std::memcpy(c[2 * h + 1] + 4 * g, sum + 4, 16);
    }
  }
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
