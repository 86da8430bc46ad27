// wgmma (PTX ISA 9.7.15): what the four warps of a warpgroup share, and where matrices lie in shared memory.
//
// A warp of D = A B + D holds 16 rows and needs nothing of the others but that all of them take part. So each warp
// computes its rows when it issues the instruction, and a warp that waits for a product goes on when all four have
// issued it: from then on nobody reads the operands any more, and any of the four may say so to others. Operands are
// read, and results written, at the earliest time that a device could; what a device may do later is for strict mode.
#pragma once

#include <cstdint>

#include "execute/machine.hpp"

namespace emulator {

constexpr unsigned kWarpgroup = 4;  ///< warps

// Instruction::mode of wgmma.mma_async.
constexpr std::uint8_t kSharedA = 1;        ///< A is described, not in registers
constexpr std::uint8_t kTransposedA = 2;    ///< M-major
constexpr std::uint8_t kTransposedB = 4;    ///< N-major
constexpr std::uint8_t kNegatedFactor = 8;  ///< imm-scale-a times imm-scale-b is -1
// Instruction::flags: scale-d is negated.
constexpr std::uint8_t kNegatedScale = 1;

/// A matrix in shared memory as its descriptor says (PTX ISA 9.7.15.5.1.2), seen in units of 16 bytes: along the major
/// dimension a unit holds 8 elements of 16 bits, or 4 of 32.
class DescribedMatrix {
 public:
  DescribedMatrix(std::uint64_t descriptor, bool transposed)
      : start_((descriptor & 0x3FFF) << 4),
        leading_((descriptor >> 16 & 0x3FFF) << 4),
        stride_((descriptor >> 32 & 0x3FFF) << 4),
        base_(static_cast<unsigned>(descriptor >> 49 & 7)),
        swizzle_((4 - static_cast<unsigned>(descriptor >> 62)) & 3),
        transposed_(transposed) {
    if (swizzle_ == 0) base_ = 0;
  }

  /// The offset in shared memory of a unit. K-major: unit `k` of row (or column of B) `mn`. MN-major: unit `mn` of
  /// rows, at column `k`.
  [[nodiscard]] std::uint64_t unit(unsigned mn, unsigned k) const {
    const unsigned width = 1u << swizzle_;  // units of a row of the swizzle atom
    if (!transposed_) {
      const std::uint64_t right = swizzle_ == 0 ? k * leading_ : k * 16u;
      return swizzled(mn % 8 * 16 * width + mn / 8 * stride_ + right);
    }
    const std::uint64_t down = swizzle_ == 0 ? mn * stride_ : mn % width * 16 + mn / width * leading_;
    return swizzled(down + k % 8 * 16 * width + k / 8 * (swizzle_ == 0 ? leading_ : stride_));
  }

 private:
  /// Swizzle<B, 4, 3> of the address: rows of 128 bytes are counted from where the pattern begins, which the base
  /// offset says when that is no multiple of its size.
  [[nodiscard]] std::uint64_t swizzled(std::uint64_t offset) const {
    const std::uint64_t address = start_ + offset;
    return address ^ (((address >> 7) - base_) & ((1u << swizzle_) - 1)) << 4;
  }

  std::uint64_t start_, leading_, stride_;
  unsigned base_;
  unsigned swizzle_;  ///< bits: 1, 2, 3 for 32, 64, 128 bytes
  bool transposed_;
};

/// The warp issues one more product. Raises where there is no whole warpgroup.
void issue_product(Warp& warp, const Instruction& in);

}  // namespace emulator
