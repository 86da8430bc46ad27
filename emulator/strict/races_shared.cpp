// Shared memory: who may touch a byte, given who touched it last.
#include <algorithm>

#include "execute/block.hpp"
#include "strict/race_lane.hpp"

namespace emulator {

bool Races::ordered(unsigned warp, std::uint32_t lanes, const Touch& before) const {
  if (before.lanes == 0) return true;
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    if (before.stamp <= clocks_.floor(thread)) continue;
    for (std::uint32_t others = before.lanes; others != 0; others &= others - 1) {
      const unsigned other = before.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(others));
      if (!clocks_.ordered(thread, other, before.stamp)) return false;
    }
  }
  return true;
}

void Races::shared(const Lane& origin) {
  Lane lane = origin;
  if (lane.kind == Access::Kind::store && !lane.asynchronous && lane.note.register_bytes != 0) lane.fetch_value();
  shared_bytes(lane, lane.address, lane.bytes, 1u << lane.lane);
  if (lane.has_value) std::memcpy(lane.warp.shared + lane.address, lane.value.data(), lane.bytes);
  if (lane.strong) order_shared(lane, lane.address);
}

namespace {

/// The quick way of a plain access to a cell where all that could collide lies behind the thread's last meeting with
/// all others, or is its own: true when that is so, and the cell is up to date.
bool touch_behind(SharedCell& cell, bool writes, Stamp floor, const Touch& mine) {
  const bool alone = (mine.lanes & (mine.lanes - 1)) == 0;
  const auto harmless = [&](const Touch& other) {
    return other.stamp <= floor || (alone && other.warp == mine.warp && other.lanes == mine.lanes);
  };
  if (cell.write.in_flight || !harmless(cell.write) || !harmless(cell.weak)) return false;
  if (!writes) {
    remember_read(cell, floor, mine);
    return true;
  }
  if (!harmless(cell.reads[0]) || !harmless(cell.reads[1])) return false;
  cell.write = mine;
  cell.weak = mine;
  cell.reads = {};
  return true;
}

}  // namespace

void Races::shared_bytes(const Lane& lane, std::uint64_t at, std::size_t bytes, std::uint32_t lanes) {
  const bool plain = !lane.strong && !lane.asynchronous;
  const unsigned warp = lane.warp.index;
  const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(lanes));
  const unsigned last = warp * kLanes + 31u - static_cast<unsigned>(__builtin_clz(lanes));
  const Stamp floor = std::min(clocks_.floor(thread), clocks_.floor(last));  // an access has two lanes at most
  const Touch mine{clocks_.now(thread), lane.code, lanes, static_cast<std::uint8_t>(warp), false, false, false};
  trace_.each(at, bytes, lane.writes(), [&](SharedCell& cell, std::uint64_t where, std::size_t count) {
    if (plain && touch_behind(cell, lane.writes(), floor, mine)) return;
    if (cell.write.in_flight) {
      raise_in_flight(lane, cell.write,
                      lane.writes() ? "writes the target of a copy in flight" : "reads the target of a copy in flight");
    }
    if (lane.writes()) {
      write(lane, cell, where, count, lanes);
    } else {
      read(lane, cell, where, lanes);
    }
  });
}

void Races::read(const Lane& lane, SharedCell& cell, std::uint64_t at, std::uint32_t lanes) {
  const unsigned warp = lane.warp.index;
  if (!ordered(warp, lanes, cell.weak)) throw FaultRaised{shared_fault(lane, at, cell.weak, "a read", "a write")};
  if (!lane.strong && !ordered(warp, lanes, cell.write)) {
    Fault fault = shared_fault(lane, at, cell.write, "a read", "a write");
    if (!cell.write.atomic) throw FaultRaised{std::move(fault)};
    suspect(lane.thread(), at, std::move(fault));
  }
  const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(lanes));
  remember_read(cell, clocks_.floor(thread),
                {clocks_.now(thread), lane.code, lanes, static_cast<std::uint8_t>(warp), lane.strong, false, false});
}

void Races::write(const Lane& lane, SharedCell& cell, std::uint64_t at, std::size_t bytes, std::uint32_t lanes) {
  const unsigned warp = lane.warp.index;
  const auto mine = [&] { return lane.kind == Access::Kind::atomic ? "an atomic operation" : "a write"; };
  const Touch& before = lane.strong || ordered(warp, lanes, cell.write) ? cell.weak : cell.write;
  if (!ordered(warp, lanes, before) && !same_value(lane, at, bytes)) {
    throw FaultRaised{shared_fault(lane, at, before, mine(), "a write")};
  }
  const bool atomic = lane.kind == Access::Kind::atomic;
  for (const Touch& each : cell.reads) {
    if ((lane.strong && each.strong) || ordered(warp, lanes, each)) continue;
    Fault fault = shared_fault(lane, at, each, mine(), "a read");
    if (!atomic) throw FaultRaised{std::move(fault)};
    if (each.async_proxy) throw FaultRaised{std::move(fault)};
    for (std::uint32_t left = each.lanes; left != 0; left &= left - 1) {
      suspect(each.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(left)), at, fault);
    }
  }
  if (atomic) {
    const auto found = suspicions_.find(lane.thread());
    if (found != suspicions_.end() && found->second.at == at) suspicions_.erase(found);
  }
  const Stamp stamp = clocks_.now(warp * kLanes + static_cast<unsigned>(__builtin_ctz(lanes)));
  cell.write = {stamp, lane.code, lanes, static_cast<std::uint8_t>(warp), lane.strong, atomic, lane.asynchronous};
  if (!lane.strong) cell.weak = cell.write;
  cell.reads = {};
  if (lane.asynchronous) in_flight_ += bytes;
}

bool Races::same_value(const Lane& lane, std::uint64_t at, std::size_t bytes) const {
  return lane.has_value && std::memcmp(lane.warp.shared + at, lane.value.data() + (at - lane.address), bytes) == 0;
}

/// Row r of a matrix is 16 bytes that four lanes share, or that eight lanes do when it is transposed (PTX
/// ISA 9.7.14.5.15).
void Races::shared_matrix(Warp& warp, const Instruction& in, const Access& access) {
  const auto code = static_cast<std::uint32_t>(&in - warp.code);
  for (std::uint32_t left = access.mask; left != 0; left &= left - 1) {
    const auto holder = static_cast<unsigned>(__builtin_ctz(left));
    if (access.space[holder] != ptx::Space::shared) continue;
    const unsigned row = holder % 8;
    for (unsigned word = 0; word < 4; ++word) {
      const std::uint32_t lanes =
          in.mode != 0 ? 1u << (8 * word + row / 2) | 1u << (8 * word + 4 + row / 2) : 1u << (4 * row + word);
      const std::uint64_t at = access.address[holder] + 4 * word;
      const auto touch = [&](std::uint32_t mine, std::uint64_t first, unsigned bytes) {
        const auto lane = static_cast<unsigned>(__builtin_ctz(mine));
        const InstructionNote& note = block_.program().notes[code];
        shared_bytes({warp, in, note, code, lane, access.kind, false, false, false, first, bytes, {}}, first, bytes,
                     mine);
      };
      const std::uint32_t upper = lanes & (lanes - 1);
      const auto now = [&](std::uint32_t mine) {
        return clocks_.now(warp.index * kLanes + static_cast<unsigned>(__builtin_ctz(mine)));
      };
      if (upper == 0 || now(lanes) == now(upper)) {
        touch(lanes, at, 4);
      } else {  // one of the two has released something since they last met: each answers for its own half
        touch(lanes ^ upper, at, 2);
        touch(upper, at + 2, 2);
      }
    }
  }
}

/// What a strong access says about order: a release or a fence before a write that another thread reads, which acquires
/// or fences (PTX ISA 8.9).
void Races::order_shared(const Lane& lane, std::uint64_t at) {
  using Order = InstructionNote::Order;
  const unsigned thread = lane.thread();
  const bool acquires = lane.note.order == Order::acquire || lane.note.order == Order::acq_rel;
  const bool releases = lane.note.order == Order::release || lane.note.order == Order::acq_rel;
  if (lane.reads()) {
    if (const auto found = released_.find(at); found != released_.end()) {
      if (acquires) {
        clocks_.acquire(thread, found->second);
      } else {
        seen_[thread].insert(at);
      }
    }
  }
  if (!lane.writes()) return;
  if (releases) {
    clocks_.release(thread, released_[at]);
  } else if (clocks_.fenced(thread)) {
    clocks_.release_fenced(thread, released_[at]);
  }
}

void Races::object_touched(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object, Access::Kind kind) {
  constexpr unsigned kBytes = 8;
  const auto code = static_cast<std::uint32_t>(&in - warp.code);
  const bool strong = kind != Access::Kind::store;
  const Lane touch{warp, in, block_.program().notes[code], code, lane, kind, strong, false, false, object, kBytes, {}};
  shared_bytes(touch, object, kBytes, 1u << lane);
}

void Races::landed(Warp& warp, const PendingCopy& copy, unsigned lane) {
  const Stamp stamp = clocks_.now(warp.index * kLanes + lane);
  const auto code = static_cast<std::uint32_t>(copy.issued - warp.code);
  trace_.each(copy.target[lane], copy.size, true, [&](SharedCell& cell, std::uint64_t, std::size_t bytes) {
    if (cell.write.in_flight) in_flight_ -= bytes;
    cell.write = {stamp, code, 1u << lane, static_cast<std::uint8_t>(warp.index), false, false, false};
    cell.weak = cell.write;
  });
}

}  // namespace emulator
