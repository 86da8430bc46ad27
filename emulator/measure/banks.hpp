// How often shared memory has to be asked for one access of a warp.
#pragma once

#include "execute/access.hpp"

namespace emulator {

/// Shared memory has 32 banks, 4 bytes wide, one word of each per pass (CUDA C++ Programming Guide, "Shared Memory" of
/// compute capability 5.x and later). The lanes of a warp are served in groups that together ask for at most 128 bytes:
/// all 32 lanes for up to 4 bytes each, half a warp for 8 bytes, a quarter for 16 (so are the 8 rows of each matrix of
/// ldmatrix and stmatrix). Within a group every bank answers with one word per pass, for as many lanes as want that
/// word; so a group takes as many passes as the most wanted bank has different words wanted of it. Atomic operations do
/// one lane of a word per pass.
struct BankPasses {
  unsigned passes = 0;
  unsigned least = 0;  ///< groups with a lane in them: what is left when no bank is in conflict
};

/// Of the lanes of `access` that lie in shared memory.
BankPasses bank_passes(const Access& access);

}  // namespace emulator
