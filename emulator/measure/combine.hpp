// Loads from shared memory that an assembler makes one wider load of.
#pragma once

#include <cstdint>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

/// Where a load of 4 bytes stands in a load of `width` times as many.
struct Combination {
  std::uint8_t width = 1;
  std::uint8_t index = 0;
};

/// For each instruction; `stretch` numbers the stretches of straight code. Loads combine that have one address
/// register, neighbouring offsets and no store to shared memory between them. Whether the address is aligned, which
/// ptxas must be able to prove, is for the meter to see when they run.
std::vector<Combination> find_combinations(const Program& program, const std::vector<std::uint32_t>& stretch);

}  // namespace emulator
