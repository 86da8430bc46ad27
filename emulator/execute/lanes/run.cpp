// The inner loop.
#include "execute/lanes/row.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {

void run(Warp& warp) {
  std::int64_t budget = warp.budget;
  const Instruction* const code = warp.code;
  Count* const counts = warp.counts;
  do {
    const Instruction& in = *warp.ip;
    warp.ip = &in + 1;
    const u32 mask = warp.active & (mask_row(warp, in.guard) ^ in.guard_flip);
    Count& count = counts[&in - code];
    count.warps += 1;
    count.threads += static_cast<unsigned>(__builtin_popcount(mask));
    if (mask != 0) in.handler(warp, in, mask);
    --budget;
  } while (warp.ip < warp.stop && budget > 0);
  warp.executed += static_cast<std::uint64_t>(warp.budget - budget);
  warp.budget = budget;
}

}  // namespace emulator::EMULATOR_SET
