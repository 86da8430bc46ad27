// What the warps of one block did, in the order in which each did it: what the timing model plays again.
#pragma once

#include <cstdint>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

/// One warp instruction.
struct Event {
  std::uint32_t instruction = 0;
  std::uint32_t round = 0;    ///< of a barrier: index into Recording::rounds
  std::uint16_t passes = 0;   ///< through the banks of shared memory
  std::uint16_t sectors = 0;  ///< of global memory
  bool cold = false;          ///< one of them is touched by this block for the first time
  bool skipped = false;       ///< no lane's guard let it pass
  bool combined = false;      ///< part of a wider load, which another event stands for
  bool waits = false;         ///< at its barrier
  bool meets = false;         ///< at an mbarrier object: arrives there, brings it bytes, or waits
  bool atomic = false;        ///< answered by the second-level cache
  bool bulk = false;          ///< a bulk copy
  bool all_copies = false;    ///< waits for copies that are not committed as well
};

/// One completion of one of a block's barriers, or one phase of an mbarrier object.
struct Round {
  std::uint32_t arrivals = 0;  ///< of warps; for an object instructions of warps
  std::uint8_t barrier = 0;
};

struct Recording {
  std::vector<std::vector<Event>> warps;
  std::vector<Round> rounds;
};

}  // namespace emulator
