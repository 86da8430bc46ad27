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
constexpr unsigned kUnitBytes = 16;

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

  /// What is wrong with where it begins, given how many rows (or columns of B) it has; null: nothing. `elements` of a
  /// unit.
  [[nodiscard]] const char* misplaced(unsigned lines, unsigned elements) const {
    if (swizzle_ == 0) return nullptr;
    const unsigned width = 1u << swizzle_, inside = static_cast<unsigned>(start_ >> 4) % 8;
    if (inside >= width || (start_ >> 7 & (width - 1)) != (base_ & (width - 1))) {
      return "a matrix descriptor whose swizzle pattern does not begin where it must: at a multiple of 1024, 512 or "
             "256 "
             "bytes for 128, 64 or 32 bytes of swizzle, unless the base offset says where";
    }
    const unsigned units = transposed_ ? lines / elements : 2;
    if (inside != 0 && inside + units > width) {
      return "a matrix descriptor that begins so far inside a row of the swizzle pattern that the matrix leaves the "
             "row";
    }
    return nullptr;
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

/// Calls f(offset, line, k, of_a) for the units of shared memory that the warp's part of a product reads. `line`: the
/// unit's row of the warp's 16 rows of A, or column of B; of an MN-major matrix the first of them. `k`: its first k.
template <class F>
void each_operand_unit(const Warp& warp, const Instruction& in, F f) {
  const auto descriptor = [&](unsigned operand) {
    const RowOperand at = in.operand[operand];
    return *reinterpret_cast<const std::uint64_t*>(warp.base[static_cast<unsigned>(at) & 1u] + (at & ~1));
  };
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  const unsigned elements = kUnitBytes / note.flow.width;
  const auto matrix = [&](unsigned operand, bool transposed, unsigned first, unsigned count, bool of_a) {
    const DescribedMatrix where(descriptor(operand), transposed);
    const unsigned lines = transposed ? elements : 1, step = transposed ? 1 : elements;
    for (unsigned line = 0; line < count; line += lines) {
      for (unsigned k = 0; k < 2 * elements; k += step) {
        f(where.unit((first + line) / lines, k / step), line, k, of_a);
      }
    }
  };
  if ((in.mode & kSharedA) != 0) {
    matrix(1, (in.mode & kTransposedA) != 0, warp.index % kWarpgroup * 16, 16, true);
  }
  matrix(2, (in.mode & kTransposedB) != 0, 0, 8u * in.count, false);
}

/// Raises where the block ends within the warp's warpgroup.
void check_warpgroup(const Warp& warp, const Instruction& in);

/// The warp issues one more product. Raises where there is no whole warpgroup, where its lanes or its other warps ask
/// for another product, and where a matrix is misplaced.
void issue_product(Warp& warp, const Instruction& in);

}  // namespace emulator
