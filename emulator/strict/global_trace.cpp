#include "strict/global_trace.hpp"

#include <algorithm>

namespace emulator {

void join(BlockKnowledge& into, const BlockKnowledge& from) {
  for (const auto& [block, epoch] : from) {
    std::uint32_t& known = into[block];
    known = std::max(known, epoch);
  }
}

LaunchRaces::LaunchRaces() {
  static std::atomic<std::uint32_t> launches{0};
  do {
    launch_ = launches.fetch_add(1) + 1;
  } while (launch_ == 0);
}

void LaunchRaces::Guard::enter(std::uint64_t address) {
  const std::size_t stripe = address / 256 % kStripes;
  if (stripe == held_) return;
  leave();
  while (races_.stripes_[stripe].test_and_set(std::memory_order_acquire)) {
  }
  held_ = stripe;
}

void LaunchRaces::Guard::leave() {
  if (held_ != kNone) races_.stripes_[held_].clear(std::memory_order_release);
  held_ = kNone;
}

void LaunchRaces::release(std::uint64_t address, const BlockKnowledge& known, std::uint32_t block,
                          std::uint32_t epoch) {
  const std::scoped_lock lock(mutex_);
  BlockKnowledge& here = released_[address];
  join(here, known);
  std::uint32_t& mine = here[block];
  mine = std::max(mine, epoch);
  any_.store(true);
}

void LaunchRaces::acquire(std::uint64_t address, BlockKnowledge& into) {
  if (!any_.load()) return;
  const std::scoped_lock lock(mutex_);
  if (const auto found = released_.find(address); found != released_.end()) join(into, found->second);
}

}  // namespace emulator
