// wgmma: as for mma, a row of the result depends on that row of A, all of B's column and the element of the
// accumulator.
#include <algorithm>

#include "execute/block.hpp"
#include "execute/warpgroup.hpp"
#include "strict/definedness.hpp"

namespace emulator {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// The rows of A (16) or columns of B with an undefined element, and where one comes from.
struct Lines {
  std::array<bool, 256> undefined{};
  OriginId origin = kNoOrigin;
};

/// Which of a lane's accumulator elements an element of D's register is: the lane's row and column (9.7.15.5.1.1).
unsigned row_of(unsigned lane, unsigned element) {
  return lane / 4 + element / 2 % 2 * 8;
}
unsigned column_of(unsigned lane, unsigned element) {
  return element / 4 * 8 + lane % 4 * 2 + element % 2;
}

}  // namespace

void Definedness::warpgroup_product(const Look& look) {
  const Instruction& in = look.in;
  if (look.mask != kAllLanes) return;
  const bool described = (in.mode & kSharedA) != 0;
  if (described) check(look, in.operand[1], look.mask, "describes a matrix");
  check(look, in.operand[2], look.mask, "describes a matrix");
  check_predicate(look, in.operand[3], look.mask, "decides whether the accumulators count");

  Lines a, b;
  const bool half = (look.flow.data & kHalfResult) != 0;
  const unsigned elements = 4u * in.count, registers = half ? elements / 2 : elements;
  if (!described) {
    for (unsigned r = 0; r < 4; ++r) {
      const RowOperand operand = in.list[registers + r];
      const u32* undefined = look.undefined<u32>(operand);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        if (undefined[lane] == 0) continue;
        a.undefined[lane / 4 + r % 2 * 8] = true;
        a.origin = look.origin_of(operand, lane);
      }
    }
  }
  const auto number = static_cast<u32>(&in - look.warp.code);
  each_operand_unit(look.warp, in, [&](u64 at, unsigned line, unsigned, bool of_a) {
    if (at + kUnitBytes > block_.shared_bytes()) return;  // the handler refuses it
    const std::uint8_t* bits = shared_.bits(at);
    if (std::all_of(bits, bits + kUnitBytes, [](std::uint8_t each) { return each == 0; })) return;
    Lines& lines = of_a ? a : b;
    const bool transposed = (in.mode & (of_a ? kTransposedA : kTransposedB)) != 0;
    for (unsigned byte = 0; byte < kUnitBytes; ++byte) {
      if (bits[byte] == 0) continue;
      lines.undefined[line + (transposed ? byte / look.flow.width : 0)] = true;
      const OriginId known = shared_.origin(at + byte);
      lines.origin = known != kNoOrigin ? known : origins_.add(Origin::Kind::shared, number, at + byte);
    }
  });

  const u32 scale = look.predicate(in.operand[3]) ^ ((in.flags & kNegatedScale) != 0 ? kAllLanes : 0);
  const bool adds = (scale & 1u) != 0;
  const OriginId factor = a.origin != kNoOrigin ? a.origin : b.origin;
  for (unsigned r = 0; r < registers; ++r) {
    const auto offset = static_cast<u32>(in.list[r]);
    std::uint8_t& dirty = look.shadow.dirty[offset / 128];
    if (dirty == 0 && factor == kNoOrigin) continue;
    auto* bits = reinterpret_cast<u32*>(look.shadow.bits + offset);
    if (dirty == 0) std::fill_n(bits, kLanes, 0u);
    u32 any = 0;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      u32 word = 0;
      for (unsigned part = 0; part < (half ? 2u : 1u); ++part) {
        const unsigned element = half ? 2 * r + part : r;
        const u32 field = half ? 0xFFFFu << 16 * part : ~0u;
        const bool open = a.undefined[row_of(lane, element)] || b.undefined[column_of(lane, element)];
        if (open || (adds && (bits[lane] & field) != 0)) word |= field;
        if (open) look.shadow.row_origins(offset)[lane] = factor;
      }
      bits[lane] = word;
      any |= word;
    }
    dirty = any != 0 ? 1 : 0;
  }
}

}  // namespace emulator
