// What part of a multiprocessor executes an instruction, as the timing model sees it (docs/emulator-model.md).
#pragma once

#include <cstdint>

namespace emulator {

enum class Unit : std::uint8_t {
  folded,    ///< costs nothing: moves, parameters, address conversions become operands of other instructions
  integer,   ///< the integer and logic pipe
  multiply,  ///< integer multiply-add
  single,    ///< fp32
  half,      ///< fp16 and bf16 arithmetic
  wide,      ///< fp64
  special,   ///< reciprocals, roots, exponentials
  convert,   ///< between number formats
  exchange,  ///< shuffles, through the path to shared memory
  vote,      ///< votes, matches, reductions over a warp
  matrix,    ///< tensor cores
  memory,    ///< loads, stores, atomics
  copy,      ///< asynchronous copies
  copy_commit,
  copy_wait,
  object,  ///< mbarrier
  barrier,
  warp_barrier,
  fence,
  control,
};
constexpr unsigned kUnits = static_cast<unsigned>(Unit::control) + 1;

struct Cost {
  Unit unit = Unit::integer;
  /// Machine instructions that this one becomes; of matrix products: cost of a multiply-add, 2 for 16-bit elements, 4
  /// for tf32, 1 for bytes, 0 for fp64, which has a rate of its own.
  std::uint8_t weight = 1;
};

}  // namespace emulator
