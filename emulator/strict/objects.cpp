#include "strict/objects.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "execute/block.hpp"

namespace emulator {

void Objects::fenced(const Warp& warp, std::uint32_t lanes, bool own) {
  if (fresh_.empty()) return;
  for (; lanes != 0; lanes &= lanes - 1) {
    const unsigned thread = warp.index * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(lanes));
    for (auto at = fresh_.begin(); at != fresh_.end();) {
      const bool mine = at->second.thread == thread;
      if (!mine && !own) at->second.seen_by.push_back(thread);
      at = mine ? fresh_.erase(at) : std::next(at);
    }
  }
}

void Objects::check(const BulkCopy& copy) {
  const auto found = fresh_.find(copy.barrier);
  if (found == fresh_.end()) return;
  const auto& seen_by = found->second.seen_by;
  if (std::find(seen_by.begin(), seen_by.end(), copy.thread()) != seen_by.end()) return;
  Fault fault = fault_at(*copy.warp, *copy.issued, copy.lane, Fault::Kind::proxy,
                         fmt::format("a bulk copy counts bytes at the mbarrier at offset {:#x} of shared memory, which "
                                     "the async proxy may not see yet: whoever initialises one executes "
                                     "fence.mbarrier_init.release.cluster (or fence.proxy.async) ahead of the barrier "
                                     "that lets others use it",
                                     copy.barrier));
  const unsigned thread = found->second.thread;
  fault.related.push_back({"it was initialised",
                           true,
                           block_.place().block,
                           thread_of(block_.warp(thread / kLanes), thread % kLanes),
                           0,
                           {}});
  throw FaultRaised{std::move(fault)};
}

}  // namespace emulator
