// cp.async.commit_group, wait_group and wait_all (PTX ISA 9.7.9): when asynchronous copies land.
#include <algorithm>

#include "execute/block.hpp"
#include "execute/operations.hpp"
#include "strict/strict.hpp"

namespace emulator {

PendingCopy& pending_copy(Warp& warp) {
  warp.copies.emplace_back();
  warp.copies.back().serial = warp.copies_begun++;
  return warp.copies.back();
}

namespace control {
namespace {

/// Lands the copies of the lanes of `mask` for which `due` says so.
template <class Due>
void land(Warp& warp, std::uint32_t mask, Due due) {
  for (PendingCopy& copy : warp.copies) {
    for (std::uint32_t left = copy.mask & mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<unsigned>(__builtin_ctz(left));
      if (!due(copy, lane)) continue;
      std::copy_n(copy.bytes[lane].data(), copy.size, warp.shared + copy.target[lane]);
      if (warp.strict != nullptr) {
        warp.strict->definedness.landed(warp, copy, lane);
        warp.strict->races.landed(warp, copy, lane);
      }
      copy.mask &= ~(1u << lane);
    }
  }
  warp.copies.erase(
      std::remove_if(warp.copies.begin(), warp.copies.end(), [](const PendingCopy& copy) { return copy.mask == 0; }),
      warp.copies.end());
}

}  // namespace

void copy_commit(Warp& warp, const Instruction&, std::uint32_t mask) {
  for (; mask != 0; mask &= mask - 1) ++warp.commits[static_cast<unsigned>(__builtin_ctz(mask))];
}

/// All but the latest `immediate` groups of the lane land.
void copy_wait(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const auto keep = static_cast<std::uint64_t>(in.immediate);
  land(warp, mask,
       [&](const PendingCopy& copy, unsigned lane) { return copy.group[lane] + keep < warp.commits[lane]; });
}

/// Everything lands, committed or not.
void copy_wait_all(Warp& warp, const Instruction&, std::uint32_t mask) {
  land(warp, mask, [](const PendingCopy&, unsigned) { return true; });
}

}  // namespace control

void land_before(Warp& warp, unsigned lane, std::uint64_t serial) {
  control::land(warp, 1u << lane, [&](const PendingCopy& copy, unsigned) { return copy.serial < serial; });
}
}  // namespace emulator
