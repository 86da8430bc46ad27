// Special registers (PTX ISA 10).
#include <chrono>

#include "execute/block.hpp"
#include "execute/operations.hpp"

namespace emulator {

std::uint64_t global_timer() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

std::array<unsigned, 3> thread_of(const Warp& warp, unsigned lane) {
  const auto& extent = warp.block->place().threads;
  const unsigned flat = warp.index * kLanes + lane;
  return {flat % extent[0], flat / extent[0] % extent[1], flat / extent[0] / extent[1]};
}

namespace control {
namespace {

std::uint64_t value_of(const Warp& warp, SpecialRegister name, unsigned lane) {
  using S = SpecialRegister;
  const Block& block = *warp.block;
  const Place& place = block.place();
  const auto at = [](const std::array<unsigned, 3>& v, S which, S x) {
    return v[static_cast<std::size_t>(which) - static_cast<std::size_t>(x)];
  };
  if (name <= S::tid_z) return at(thread_of(warp, lane), name, S::tid_x);
  if (name <= S::ntid_z) return at(place.threads, name, S::ntid_x);
  if (name <= S::ctaid_z) return at(place.block, name, S::ctaid_x);
  if (name <= S::nctaid_z) return at(place.grid, name, S::nctaid_x);
  const std::uint64_t bit = std::uint64_t{1} << lane;
  switch (name) {
    case S::laneid:
      return lane;
    case S::warpid:
      return warp.index;
    case S::nwarpid:
      return block.warps();
    case S::smid:
      return block.index() % static_cast<unsigned>(block.profile().multiprocessors);
    case S::nsmid:
      return static_cast<unsigned>(block.profile().multiprocessors);
    case S::gridid:
      return 1;
    case S::lanemask_eq:
      return bit;
    case S::lanemask_lt:
      return bit - 1;
    case S::lanemask_le:
      return (bit << 1) - 1;
    case S::lanemask_gt:
      return kAllLanes & ~((bit << 1) - 1);
    case S::lanemask_ge:
      return kAllLanes & ~(bit - 1);
    // Cycles do not exist here: the warp's instruction count stands in for them, and never goes backwards.
    case S::clock:
    case S::clock64:
      return warp.executed;
    case S::globaltimer:
    case S::globaltimer_lo:
      return global_timer();
    case S::globaltimer_hi:
      return global_timer() >> 32;
    case S::dynamic_smem_size:
      return block.launch().dynamic_shared;
    case S::total_smem_size:
      return warp.shared_bytes;
    case S::envreg1:
      return block.launch().grid_workspace >> 32;
    case S::envreg2:
      return block.launch().grid_workspace & 0xFFFFFFFFu;
    case S::reserved_shared:
      return block.reserved_shared();
    case S::reserved_shared_end:
      return block.shared_bytes();
    case S::warp_size:
      return kLanes;
    case S::one:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

/// mov d, %special: mode names it, size is the destination's.
void special(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const auto name = static_cast<SpecialRegister>(in.mode);
  for (; mask != 0; mask &= mask - 1) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(mask));
    const std::uint64_t value = value_of(warp, name, lane);
    std::byte* d = warp.base[0] + in.operand[0];
    if (in.size == 8) {
      reinterpret_cast<std::uint64_t*>(d)[lane] = value;
    } else if (in.size == 4) {
      reinterpret_cast<std::uint32_t*>(d)[lane] = static_cast<std::uint32_t>(value);
    } else {
      reinterpret_cast<std::uint16_t*>(d)[lane] = static_cast<std::uint16_t>(value);
    }
  }
}

}  // namespace control
}  // namespace emulator
