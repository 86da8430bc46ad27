// One lane's part of an access, as the race checks look at it.
#pragma once

#include <array>
#include <cstring>

#include "strict/races.hpp"

namespace emulator {

struct Races::Lane {
  Warp& warp;
  const Instruction& in;
  const InstructionNote& note;
  std::uint32_t code = 0;
  unsigned lane = 0;
  Access::Kind kind = Access::Kind::load;
  bool strong = false;
  bool asynchronous = false;
  bool has_value = false;  ///< a plain store, whose bytes are in `value`
  std::uint64_t address = 0;
  unsigned bytes = 0;
  std::array<std::byte, 32> value{};

  [[nodiscard]] unsigned thread() const { return warp.index * kLanes + lane; }
  [[nodiscard]] bool writes() const { return kind != Access::Kind::load; }
  [[nodiscard]] bool reads() const { return kind != Access::Kind::store; }

  /// The bytes that st is about to write.
  void fetch_value() {
    has_value = true;
    const std::size_t element = in.size, width = note.register_bytes;
    for (unsigned k = 0; k < in.count; ++k) {
      const RowOperand operand = in.list[k];
      const std::byte* row = warp.base[static_cast<unsigned>(operand) & 1u] + (operand & ~1);
      std::memcpy(value.data() + k * element, row + lane * width, element);
    }
  }
};

/// Where a cell remembers a read: with its like, in place of one that is behind, else of one of its own warp, else of
/// the older one. So of unordered reads those of two warps are kept, which is enough to see that one is not the
/// writer's.
inline Touch& place_of_read(SharedCell& cell, Stamp floor, const Touch& mine) {
  for (Touch& each : cell.reads) {
    if (each.stamp == mine.stamp && each.warp == mine.warp && each.strong == mine.strong && each.lanes != 0)
      return each;
  }
  for (Touch& each : cell.reads) {
    if (each.stamp <= floor) return each;
  }
  for (Touch& each : cell.reads) {
    if (each.warp == mine.warp) return each;
  }
  return cell.reads[0].stamp <= cell.reads[1].stamp ? cell.reads[0] : cell.reads[1];
}

inline void remember_read(SharedCell& cell, Stamp floor, const Touch& mine) {
  Touch& place = place_of_read(cell, floor, mine);
  const bool joins = place.stamp == mine.stamp && place.warp == mine.warp && place.strong == mine.strong;
  const std::uint32_t lanes = joins ? place.lanes : 0;
  place = mine;
  place.lanes |= lanes;
}

}  // namespace emulator
