// The inner loop of a launch that is watched: as lanes().run, with a look before and after every instruction.
#include "execute/block.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator {

void run_watched(Warp& warp) {
  std::int64_t budget = warp.budget;
  do {
    const Instruction& in = *warp.ip;
    warp.ip = &in + 1;
    const std::uint32_t asked = warp.active;
    const std::uint32_t guard =
        *reinterpret_cast<const std::uint32_t*>(warp.base[static_cast<unsigned>(in.guard) & 1u] + (in.guard & ~1));
    const std::uint32_t mask = asked & (guard ^ in.guard_flip);
    Count& count = warp.counts[&in - warp.code];
    count.warps += 1;
    count.threads += static_cast<unsigned>(__builtin_popcount(mask));
    if (warp.strict != nullptr) warp.strict->before(warp, in, asked, mask);
    if (mask != 0) {
      if (warp.meter != nullptr) warp.meter->before(warp, in, asked, mask);
      in.handler(warp, in, mask);
      const std::uint32_t done = mask & ~warp.parked;
      if (warp.strict != nullptr) warp.strict->after(warp, in, done);
      if (warp.meter != nullptr) warp.meter->after(warp, in, done);
      warp.parked = 0;
    } else if (warp.meter != nullptr) {
      warp.meter->skipped(warp, in, asked);
    }
    --budget;
  } while (warp.ip < warp.stop && budget > 0);
  warp.executed += static_cast<std::uint64_t>(warp.budget - budget);
  warp.budget = budget;
}

}  // namespace emulator
