// What a race's fault says.
#include <fmt/format.h>

#include "execute/block.hpp"
#include "strict/race_lane.hpp"

namespace emulator {

std::array<unsigned, 3> Races::place_of(unsigned thread) const {
  return thread_of(block_.warp(thread / kLanes), thread % kLanes);
}

Fault Races::shared_fault(const Lane& lane, std::uint64_t at, const Touch& other, const char* mine,
                          const char* theirs) const {
  // Of several lanes one that is not ordered is named.
  std::uint32_t lanes = other.lanes;
  while ((lanes & (lanes - 1)) != 0) {
    const unsigned thread = other.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(lanes));
    if (!clocks_.ordered(lane.thread(), thread, other.stamp)) break;
    lanes &= lanes - 1;
  }
  const unsigned thread = thread_of_touch(other.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(lanes)));
  const char* whose = other.async_proxy ? "of an asynchronous operation: nothing orders it behind that operation's end"
                                        : "by another thread: no barrier orders them";
  Fault fault = fault_at(lane.warp, lane.in, lane.lane, Fault::Kind::race,
                         fmt::format("{} of shared memory at offset {:#x} races with {} {}", mine, at, theirs, whose));
  fault.related.push_back({fmt::format("{}{}", theirs, other.async_proxy ? " of an asynchronous operation" : ""),
                           true,
                           block_.place().block,
                           place_of(thread),
                           block_.program().notes[other.code].line,
                           {}});
  return fault;
}

void Races::suspect(unsigned thread, std::uint64_t at, Fault fault) {
  suspicions_.try_emplace(thread, Suspicion{at, std::move(fault)});
}

void Races::convict(const Warp& warp, std::uint32_t lanes) {
  if (suspicions_.empty()) return;
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto found = suspicions_.find(warp.index * kLanes + static_cast<unsigned>(__builtin_ctz(lanes)));
    if (found != suspicions_.end()) throw FaultRaised{std::move(found->second.fault)};
  }
}

void Races::raise_in_flight(const Lane& lane, const Touch& copy, const std::string& what) {
  Fault fault = fault_at(lane.warp, lane.in, lane.lane, Fault::Kind::in_flight,
                         fmt::format("the thread {}: its thread has not waited for it", what));
  const unsigned thread =
      thread_of_touch(copy.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(copy.lanes)));
  fault.related.push_back({"the copy was issued",
                           true,
                           block_.place().block,
                           place_of(thread),
                           block_.program().notes[copy.code].line,
                           {}});
  throw FaultRaised{std::move(fault)};
}

void Races::raise_global(const Lane& lane, std::uint64_t at, const GlobalTouch& other, unsigned thread,
                         const char* mine, const char* theirs) {
  Fault fault =
      fault_at(lane.warp, lane.in, lane.lane, Fault::Kind::race,
               fmt::format("{} of global memory at {:#x} races with {} by another block of the launch: blocks "
                           "run in any order unless one fences (or releases) before an atomic and the other behind "
                           "its own (or acquires)",
                           mine, at, theirs));
  if (other.epoch != 0) {
    const auto& grid = block_.place().grid;
    fault.related.push_back({fmt::format("{}", theirs),
                             true,
                             {other.block % grid[0], other.block / grid[0] % grid[1], other.block / grid[0] / grid[1]},
                             place_of(thread),
                             block_.program().notes[other.code].line,
                             {}});
  }
  throw FaultRaised{std::move(fault)};
}

}  // namespace emulator
