// wgmma.mma_async (PTX ISA 9.7.15.5): one warp's 16 rows of D = A B + D. A comes from registers or from shared memory,
// B from shared memory. Registers of a warp are laid out as those of mma for each 8 columns.
#include "execute/warpgroup.hpp"

#include "execute/lanes/collective.hpp"
#include "execute/lanes/product.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

using ptx::Type;

/// A matrix of shared memory, unit by unit.
class Units {
 public:
  Units(Warp& warp, const Instruction& in, u64 descriptor, bool transposed)
      : warp_(warp), in_(in), matrix_(descriptor, transposed) {}
  const u8* operator()(unsigned mn, unsigned k) const {
    const u64 at = matrix_.unit(mn, k);
    if (at + 16 > warp_.shared_bytes) {
      raise_bounds(warp_, in_, 0, "shared memory (through a matrix descriptor)", at, 16, warp_.shared_bytes);
    }
    return reinterpret_cast<const u8*>(warp_.shared) + at;
  }

 private:
  Warp& warp_;
  const Instruction& in_;
  DescribedMatrix matrix_;
};

/// The elements of a unit.
template <class E>
void widen_unit(const u8* from, float* out) {
  u32 words[4];
  std::memcpy(words, from, 16);
  for (unsigned w = 0; w < 4; ++w) {
    for (unsigned p = 0; p < E::kPerRegister; ++p) out[w * E::kPerRegister + p] = E::get(words[w], p);
  }
}

/// The warp's 16 rows of A as registers hold them: see row_of_a.
template <class E, unsigned kK>
void rows_of_a(const Units& units, bool transposed, unsigned first, float (*a)[E::kPerRegister][kLanes]) {
  constexpr unsigned kParts = E::kPerRegister, kUnit = 4 * kParts;
  const auto put = [&](unsigned row, unsigned k, float v) {
    a[k / kUnit * 2 + row / 8][k % kParts][4 * (row % 8) + k % kUnit / kParts] = v;
  };
  float line[kUnit];
  if constexpr (kParts == 2) {  // others have no M-major form
    for (unsigned unit = 0; transposed && unit < 2; ++unit) {
      for (unsigned k = 0; k < kK; ++k) {
        widen_unit<E>(units(first / 8 + unit, k), line);
        for (unsigned i = 0; i < 8; ++i) put(8 * unit + i, k, line[i]);
      }
    }
    if (transposed) return;
  }
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned unit = 0; unit < 2; ++unit) {
      widen_unit<E>(units(first + row, unit), line);
      for (unsigned i = 0; i < kUnit; ++i) put(row, unit * kUnit + i, line[i]);
    }
  }
}

/// The rows of 8 columns of B, the columns in the order 0 2 4 6 1 3 5 7, in which D's registers hold them.
template <class E, unsigned kK>
void rows_of_b(const Units& units, bool transposed, unsigned first, float (*b)[8]) {
  constexpr unsigned kUnit = 4 * E::kPerRegister;
  if constexpr (E::kPerRegister == 2) {
    for (unsigned k = 0; transposed && k < kK; ++k) {
      u32 words[4];
      std::memcpy(words, units(first / 8, k), 16);
      for (unsigned p = 0; p < 2; ++p) {
        for (unsigned w = 0; w < 4; ++w) b[k][4 * p + w] = E::get(words[w], p);
      }
    }
    if (transposed) return;
  }
  alignas(64) float columns[8][kK];
  for (unsigned n = 0; n < 8; ++n) {
    for (unsigned unit = 0; unit < 2; ++unit) widen_unit<E>(units(first + n, unit), columns[n] + unit * kUnit);
  }
  for (unsigned k = 0; k < kK; k += 4) {
    transpose4(columns[0] + k, 2 * kK, b[k], 8);
    transpose4(columns[1] + k, 2 * kK, b[k] + 4, 8);
  }
}

/// operand: -, descriptor of A, descriptor of B, scale-d. list: the registers of D, then those of A. count: N / 8.
template <class E, bool kHalf>
void warpgroup_multiply(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  constexpr unsigned kParts = E::kPerRegister, kA = 4, kK = 8 * kParts, kD = kHalf ? 2 : 4;
  issue_product(warp, in);
  alignas(64) float a[kA][kParts][kLanes];
  if ((in.mode & kSharedA) != 0) {
    const bool transposed = (in.mode & kTransposedA) != 0;
    const Units units(warp, in, row<u64>(warp, in.operand[1])[0], transposed);
    rows_of_a<E, kK>(units, transposed, warp.index % kWarpgroup * 16, a);
  } else {
    for (unsigned r = 0; r < kA; ++r) widen<E>(row<u32>(warp, in.list[kD * in.count + r]), a[r]);
  }
  if ((in.mode & kNegatedFactor) != 0) {
    for (auto& part : a) {
      for (auto& values : part) {
        for (float& v : values) v = -v;
      }
    }
  }
  const bool transposed = (in.mode & kTransposedB) != 0;
  const Units units(warp, in, row<u64>(warp, in.operand[2])[0], transposed);
  const u32 scale = mask_row(warp, in.operand[3]) ^ ((in.flags & kNegatedScale) != 0 ? kAllLanes : 0);
  const bool adds = (scale & 1u) != 0;
  for (unsigned block = 0; block < in.count; ++block) {
    alignas(64) float b[kK][8];
    rows_of_b<E, kK>(units, transposed, 8 * block, b);
    alignas(64) float c[4][kLanes];
    float* rows[4] = {c[0], c[1], c[2], c[3]};
    const RowOperand* registers = in.list + kD * block;
    if (!adds) {
      std::memset(c, 0, sizeof(c));
    } else if constexpr (kHalf) {
      for (unsigned h = 0; h < 2; ++h) widen<F16>(row<u32>(warp, registers[h]), c + 2 * h);
    } else {
      for (unsigned r = 0; r < 4; ++r) std::memcpy(c[r], row<float>(warp, registers[r]), sizeof(c[r]));
    }
    if (warp.perturbation == 0) {
      multiply_in_order<kA, kParts, kK>(a, b, rows);
    } else {
      multiply_perturbed<kA, kParts, kK, kHalf>(warp.perturbation, a, b, rows);
    }
    if constexpr (kHalf) {
      for (unsigned h = 0; h < 2; ++h) narrow(c + 2 * h, row<u32>(warp, registers[h]));
    } else {
      for (unsigned r = 0; r < 4; ++r) quiet(c[r], row<float>(warp, registers[r]));
    }
  }
}

}  // namespace

Handler warpgroup(Type element, Type d) {
  if (element == Type::f16) return d == Type::f16 ? warpgroup_multiply<F16, true> : warpgroup_multiply<F16, false>;
  if (d != Type::f32) return nullptr;
  if (element == Type::bf16) return warpgroup_multiply<Bf16, false>;
  if (element == Type::tf32) return warpgroup_multiply<Tf32, false>;
  return nullptr;
}

}  // namespace emulator::EMULATOR_SET
