// What an instruction is about to touch in memory, lane by lane, for whoever watches it.
#pragma once

#include <array>
#include <cstdint>

#include "execute/machine.hpp"

namespace emulator {

/// One access of a warp. Lanes whose address the handler is going to refuse are not in `mask`.
struct Access {
  enum class Kind : std::uint8_t { load, store, atomic };
  Kind kind = Kind::load;
  bool asynchronous = false;  ///< of an asynchronous copy: source or target
  std::uint32_t mask = 0;
  std::uint8_t bytes = 0;                       ///< of a lane at most
  std::array<std::uint8_t, kLanes> used{};      ///< bytes of each lane
  std::array<ptx::Space, kLanes> space{};       ///< never generic: global, shared, local or parameter
  std::array<std::uint64_t, kLanes> address{};  ///< global: the address; shared: offset in the block's shared memory;
                                                ///< local: offset in the lane's; parameter: in the parameters
};

/// The accesses of `in` for the lanes of `mask`: none, one, or an asynchronous copy's source and target. Call it before
/// the handler runs. For ldmatrix and stmatrix the lanes are those that hold the rows' addresses.
unsigned accesses_of(Warp& warp, const Instruction& in, std::uint32_t mask, std::array<Access, 2>& accesses);

/// The bytes of an access on the host; null for a lane that is not in its mask.
std::byte* bytes_of(const Warp& warp, const Access& access, unsigned lane);

}  // namespace emulator
