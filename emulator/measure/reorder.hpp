// The order in which an assembler may put the instructions of PTX: loads early, what depends on them late.
#pragma once

#include <cstdint>
#include <vector>

#include "measure/recording.hpp"
#include "measure/timing.hpp"

namespace emulator {

/// For each instruction the stretch of straight code it belongs to, and its place in it. Stretches end at branches and
/// their targets, calls, barriers, fences, and where asynchronous copies are committed or waited for.
struct StaticOrder {
  std::vector<std::uint32_t> stretch;
  std::vector<std::uint32_t> place;
};

/// Lists each stretch by what can go first, and of those by what the most latency hangs on. An instruction moves ahead
/// of no more than the 48 that stand before it, for registers are few; loads do not pass stores to the same space.
StaticOrder order_statically(const Program& program, const Timing& timing);

/// Puts each warp's events into that order.
void reorder(Recording& recording, const StaticOrder& order);

}  // namespace emulator
