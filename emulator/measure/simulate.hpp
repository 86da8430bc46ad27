// The timing model of a multiprocessor: plays what a block's warps did on four schedulers, their pipes, the path to
// shared memory and the port to the second-level cache.
#pragma once

#include <cstdint>
#include <vector>

#include "measure/recording.hpp"
#include "measure/timing.hpp"

namespace emulator {

/// A stretch of one warp's modelled time.
struct Slice {
  enum class Kind : std::uint8_t { compute, barrier, copies, memory };
  std::uint64_t begin = 0;  ///< ticks
  std::uint64_t end = 0;
  std::uint32_t warp = 0;
  std::uint32_t first = 0;  ///< instruction that it begins with, or that waits
  Kind kind = Kind::compute;
  std::uint8_t barrier = 0;
};

struct Simulated {
  std::uint64_t ticks = 0;         ///< until all copies of the block have ended
  std::uint64_t issued = 0;        ///< machine instructions of one copy
  std::uint64_t matrix_ticks = 0;  ///< of one copy, in the pipes of all schedulers; likewise below
  std::uint64_t shared_ticks = 0;
  std::uint64_t port_ticks = 0;
  std::vector<std::uint64_t> spent;  ///< by instruction: ticks of the first copy's warps
  std::vector<Slice> slices;         ///< of the first copy, when they were asked for; by warp, then by time
};

/// Plays `copies` blocks that do the same at the same time: a multiprocessor that holds so many.
Simulated simulate(const Program& program, const Recording& recording, const Timing& timing, unsigned copies,
                   bool slices);

}  // namespace emulator
