// Who touched what, and what orders it.
#pragma once

#include <cstdint>

#include "execute/access.hpp"

namespace emulator {

/// What the blocks of one launch share.
class LaunchRaces {};

class Races {
 public:
  Races(Block& block, LaunchRaces& launch) : block_(block), launch_(launch) {}
  void reset() {}
  void access(Warp&, const Instruction&, const Access*, unsigned /*count*/) {}
  /// `done` lanes have executed `in`: fences count.
  void executed(Warp&, const Instruction&, std::uint32_t /*done*/) {}
  /// The lanes have met in bar.warp.sync.
  void warp_synchronised(Warp&, std::uint32_t /*lanes*/) {}
  /// The lanes arrive at barrier `id` of the block, and wait there or not.
  void arrived(Warp&, unsigned /*id*/, std::uint32_t /*lanes*/) {}
  /// Barrier `id` is complete; lanes() tell who goes on from it.
  void passed(Warp&, unsigned /*id*/, std::uint32_t /*lanes*/) {}
  /// All who waited at `id` have passed.
  void completed(unsigned /*id*/) {}
  void exited(Warp&, std::uint32_t /*lanes*/) {}
  void landed(Warp&, const Instruction&, const PendingCopy&, unsigned /*lane*/) {}

 private:
  [[maybe_unused]] Block& block_;
  [[maybe_unused]] LaunchRaces& launch_;
};

}  // namespace emulator
