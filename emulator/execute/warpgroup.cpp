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

template <class T>
T uniform(const Warp& warp, const Instruction& in, RowOperand operand, const char* message) {
  const T* lanes = baseline::row<T>(warp, operand);
  for (unsigned lane = 1; lane < kLanes; ++lane) {
    if (lanes[lane] != lanes[0]) raise(warp, in, lane, Fault::Kind::divergent_barrier, message);
  }
  return lanes[0];
}

ProductRequest request_of(const Warp& warp, const Instruction& in) {
  constexpr const char* kDescriptor = "the lanes of a warp give wgmma different descriptors";
  ProductRequest request;
  request.in = &in;
  if ((in.mode & kSharedA) != 0) request.a = uniform<std::uint64_t>(warp, in, in.operand[1], kDescriptor);
  request.b = uniform<std::uint64_t>(warp, in, in.operand[2], kDescriptor);
  const std::uint32_t scale =
      baseline::mask_row(warp, in.operand[3]) ^ ((in.flags & kNegatedScale) != 0 ? kAllLanes : 0);
  if (scale != 0 && scale != kAllLanes) {
    raise(warp, in, 0, Fault::Kind::divergent_barrier, "the lanes of a warp give wgmma different scale-d");
  }
  request.adds = scale != 0;
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  const unsigned elements = kUnitBytes / note.flow.width;
  const auto check = [&](std::uint64_t descriptor, bool transposed, unsigned lines) {
    const char* problem = DescribedMatrix(descriptor, transposed).misplaced(lines, elements);
    if (problem != nullptr) raise(warp, in, 0, Fault::Kind::misaligned, problem);
  };
  if ((in.mode & kSharedA) != 0) check(request.a, (in.mode & kTransposedA) != 0, 64);
  check(request.b, (in.mode & kTransposedB) != 0, 8u * in.count);
  return request;
}

}  // namespace

ProductRequest Block::agree(const Warp& warp, std::uint64_t number, const ProductRequest& request) {
  Requests& requests = requests_[warp.index / kWarpgroup];
  if (number == requests.first + requests.open.size()) requests.open.push_back(request);
  ProductRequest& asked = requests.open[number - requests.first];
  ++asked.warps;
  const ProductRequest result = asked;
  while (!requests.open.empty() && requests.open.front().warps == kWarpgroup) {
    requests.open.pop_front();
    ++requests.first;
  }
  return result;
}

void check_warpgroup(const Warp& warp, const Instruction& in) {
  Block& block = *warp.block;
  const unsigned first = warp.index / kWarpgroup * kWarpgroup;
  for (unsigned i = first; i < first + kWarpgroup; ++i) {
    if (i >= block.warps() || block.warp(i).present != kAllLanes) {
      raise(warp, in, 0, Fault::Kind::divergent_barrier,
            "this is an instruction of four whole warps, the first of which has a number that is a multiple of 4: "
            "the block ends within this warpgroup");
    }
  }
}

void issue_product(Warp& warp, const Instruction& in) {
  check_warpgroup(warp, in);
  const ProductRequest mine = request_of(warp, in);
  const ProductRequest first_asked = warp.block->agree(warp, warp.products.issued, mine);
  if (first_asked.in != &in || first_asked.a != mine.a || first_asked.b != mine.b || first_asked.adds != mine.adds) {
    raise(warp, in, 0, Fault::Kind::divergent_barrier,
          first_asked.in != &in ? "the warps of a warpgroup issue different wgmma: each must be executed by all four"
                                : "the warps of a warpgroup issue a wgmma with different descriptors or scale-d: they "
                                  "must be the same in all four");
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
  products.awaited = std::max(products.awaited, needed);
  if (products.groups.size() > keep) {
    products.groups.erase(products.groups.begin(), products.groups.end() - static_cast<std::ptrdiff_t>(keep));
  }
}

}  // namespace control
}  // namespace emulator
