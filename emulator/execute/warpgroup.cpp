// wgmma.fence, commit_group and wait_group (PTX ISA 9.7.15.7): when products are done.
#include "execute/warpgroup.hpp"

#include <algorithm>

#include "execute/block.hpp"
#include "execute/lanes/collective.hpp"
#include "execute/operations.hpp"

namespace emulator {
namespace {

using baseline::whole_warp;

/// How many products of the warp must be done before it may go on: all but those of the latest `keep` groups.
std::uint64_t wanted(const Products& products, std::size_t keep) {
  return products.groups.size() > keep ? products.groups[products.groups.size() - keep - 1] : 0;
}

}  // namespace

void issue_product(Warp& warp, const Instruction& in) {
  Block& block = *warp.block;
  const unsigned first = warp.index / kWarpgroup * kWarpgroup;
  for (unsigned i = first; i < first + kWarpgroup; ++i) {
    if (i >= block.warps() || block.warp(i).present != kAllLanes) {
      raise(warp, in, 0, Fault::Kind::divergent_barrier,
            "wgmma is an instruction of four whole warps, the first of which has a number that is a multiple of 4: "
            "the block ends within this warpgroup");
    }
  }
  ++warp.products.issued;
  warp.arrived = true;
}

namespace control {

void warpgroup_fence(Warp& warp, const Instruction& in, std::uint32_t mask) {
  whole_warp(warp, in, mask);
}

void warpgroup_commit(Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (!whole_warp(warp, in, mask)) return;
  warp.products.groups.push_back(warp.products.issued);
}

/// immediate: so many groups may stay open.
void warpgroup_wait(Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (!whole_warp(warp, in, mask)) return;
  const auto keep = static_cast<std::size_t>(in.immediate);
  Products& products = warp.products;
  const std::uint64_t needed = wanted(products, keep);
  const unsigned first = warp.index / kWarpgroup * kWarpgroup;
  for (unsigned i = first; needed != 0 && i < first + kWarpgroup; ++i) {
    if (warp.block->warp(i).products.issued < needed) return park(warp, in, mask, Path::State::blocked, kAllLanes);
  }
  if (products.groups.size() > keep) {
    products.groups.erase(products.groups.begin(), products.groups.end() - static_cast<std::ptrdiff_t>(keep));
  }
}

}  // namespace control
}  // namespace emulator
