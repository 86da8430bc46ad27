// Which unit executes an instruction of PTX, and as how many machine instructions.
#pragma once

#include "measure/unit.hpp"
#include "ptx/syntax.hpp"

namespace emulator::ptx {

/// Rough where one PTX instruction becomes a sequence: how ptxas expands divisions and the like is not documented, the
/// numbers are what its output shows for sm_80.
Cost cost_of(const Statement& statement);

}  // namespace emulator::ptx
