// What one access of a warp to global memory asks of the second-level cache.
#pragma once

#include "execute/access.hpp"

namespace emulator {

/// Global memory moves in sectors of 32 bytes (CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory"): a
/// request of a warp costs the different sectors its lanes touch.
struct Sectors {
  unsigned touched = 0;
  unsigned least = 0;  ///< that the bytes the lanes asked for would fill, packed and aligned; a byte wanted twice once
};

/// Of the lanes of `access` that lie in global memory.
Sectors sectors(const Access& access);

}  // namespace emulator
