// Clusters of one block: the barrier that its threads arrive at and wait at apart (PTX ISA 9.7.13.3), and addresses of
// a peer, which is the block itself.
#include <algorithm>

#include "execute/block.hpp"
#include "execute/lanes/row.hpp"
#include "execute/operations.hpp"
#include "strict/strict.hpp"

namespace emulator {
namespace {

constexpr std::uint64_t kClusterObject = ~std::uint64_t{0};  // a name among mbarrier objects, which lie lower

std::uint32_t popcount(std::uint32_t mask) {
  return static_cast<std::uint32_t>(__builtin_popcount(mask));
}

}  // namespace

void Block::cluster_arrived(Warp& warp, const Instruction& in, std::uint32_t lanes) {
  ClusterBarrier& barrier = cluster_;
  barrier.lanes.resize(warps_.size());
  const std::uint32_t again = barrier.lanes[warp.index] & lanes;
  if (again != 0) {
    raise(warp, in, static_cast<unsigned>(__builtin_ctz(again)), Fault::Kind::divergent_barrier,
          "a second arrival at the cluster's barrier without a wait in between");
  }
  barrier.lanes[warp.index] |= lanes;
  if (strict_ && in.mode == 0) strict_->races.object_arrived(warp, lanes, kClusterObject);
  warp.arrived = true;
  check_cluster();
}

/// Complete when every thread that has not exited has arrived; then they may all go on.
void Block::check_cluster() {
  ClusterBarrier& barrier = cluster_;
  if (barrier.lanes.empty()) return;
  std::uint32_t missing = 0, here = 0;
  for (const Warp& warp : warps_) {
    missing += popcount(warp.present & ~warp.exited & ~barrier.lanes[warp.index]);
    here += popcount(barrier.lanes[warp.index]);
  }
  if (missing != 0 || here == 0) return;
  barrier.passed = barrier.lanes;
  std::fill(barrier.lanes.begin(), barrier.lanes.end(), 0u);
  if (strict_) strict_->races.object_completed(kClusterObject);
}

bool Block::cluster_passed(Warp& warp, const Instruction& in, std::uint32_t lanes) {
  ClusterBarrier& barrier = cluster_;
  barrier.lanes.resize(warps_.size());
  barrier.passed.resize(warps_.size());
  const std::uint32_t strangers = lanes & ~barrier.lanes[warp.index] & ~barrier.passed[warp.index];
  if (strangers != 0) {
    raise(warp, in, static_cast<unsigned>(__builtin_ctz(strangers)), Fault::Kind::divergent_barrier,
          "a wait at the cluster's barrier without an arrival before it");
  }
  if ((barrier.lanes[warp.index] & lanes) != 0) return false;
  barrier.passed[warp.index] &= ~lanes;
  if (strict_) strict_->races.object_awaited(warp, lanes, kClusterObject);
  return true;
}

namespace control {

void cluster_arrive(Warp& warp, const Instruction& in, std::uint32_t mask) {
  warp.block->cluster_arrived(warp, in, mask);
}

void cluster_wait(Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (!warp.block->cluster_passed(warp, in, mask)) park(warp, in, mask, Path::State::blocked, kAllLanes);
}

/// mode 1: mapa: operand 1 is the address, operand 2 the rank. Else the rank of an address.
void cluster_rank(Warp& warp, const Instruction& in, std::uint32_t mask) {
  using namespace emulator::baseline;
  for_lanes(mask, [&](unsigned lane) {
    if (row<u32>(warp, in.operand[2])[lane] != 0) {
      raise(warp, in, lane, Fault::Kind::out_of_bounds,
            "an address in a block of a cluster that has but one, of rank 0");
    }
    if (in.size == 8) {
      row<u64>(warp, in.operand[0])[lane] = row<u64>(warp, in.operand[1])[lane];
    } else {
      row<u32>(warp, in.operand[0])[lane] = row<u32>(warp, in.operand[1])[lane];
    }
  });
}

}  // namespace control
}  // namespace emulator
