// Control flow (PTX ISA 9.7.12), barriers (9.7.13) and addresses.
#include "execute/block.hpp"
#include "execute/operations.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator::control {
namespace {

template <class T>
T* row(const Warp& warp, RowOperand operand) {
  return reinterpret_cast<T*>(warp.base[static_cast<unsigned>(operand) & 1u] + (operand & ~1));
}

unsigned first_lane(std::uint32_t mask) {
  return static_cast<unsigned>(__builtin_ctz(mask));
}

}  // namespace

void branch(Warp& warp, const Instruction& in, std::uint32_t mask) {
  split(warp, mask, warp.code + in.immediate, &in + 1);
}

/// operand[0]: the index; list: count targets.
void branch_indexed(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const std::uint32_t* index = row<std::uint32_t>(warp, in.operand[0]);
  const auto targets = static_cast<std::uint32_t>(in.immediate);
  const std::uint32_t skipped = warp.active & ~mask;
  const int frame = warp.paths[warp.current].frame;
  warp.active = 0;
  warp.stop = warp.code;
  if (skipped != 0) warp.paths.push_back({&in + 1, skipped, 0, frame, Path::State::ready});
  while (mask != 0) {
    const unsigned lane = first_lane(mask);
    if (index[lane] >= targets) {
      raise(warp, in, lane, Fault::Kind::out_of_bounds, "the index of brx.idx is beyond its list of targets");
    }
    std::uint32_t same = 0;
    for (std::uint32_t left = mask; left != 0; left &= left - 1) {
      same |= index[first_lane(left)] == index[lane] ? 1u << first_lane(left) : 0u;
    }
    mask &= ~same;
    warp.paths.push_back({warp.code + in.list[index[lane]], same, 0, frame, Path::State::ready});
  }
}

void exit(Warp& warp, const Instruction&, std::uint32_t mask) {
  if (warp.strict != nullptr) warp.strict->races.exited(warp, mask);
  warp.exited |= mask;
  warp.active &= ~mask;
  warp.stop = warp.code;
  warp.arrived = true;
}

void trap(Warp& warp, const Instruction& in, std::uint32_t mask) {
  raise(warp, in, first_lane(mask), Fault::Kind::trap, "trap");
}

void nothing(Warp&, const Instruction&, std::uint32_t) {}

/// bar.warp.sync members: operand 4 as in the other collectives.
void warp_barrier(Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (warp.exchange_phase != Warp::Exchange::none) return;
  const std::uint32_t* members = row<std::uint32_t>(warp, in.operand[4]);
  for (std::uint32_t left = mask; left != 0;) {
    const std::uint32_t wanted = members[first_lane(left)];
    std::uint32_t group = 0;
    for (std::uint32_t rest = left; rest != 0; rest &= rest - 1) {
      group |= members[first_lane(rest)] == wanted ? 1u << first_lane(rest) : 0u;
    }
    left &= ~group;
    if ((group & ~wanted) != 0) {
      raise(warp, in, first_lane(group & ~wanted), Fault::Kind::divergent_barrier,
            "the executing lane is not in its own member mask");
    }
    if ((wanted & warp.exited) != 0) {
      raise_absent(warp, in, group);
    }
    if ((wanted & warp.present & ~group) != 0) {
      park(warp, in, group, Path::State::collective, wanted);
    } else if (warp.strict != nullptr) {
      warp.strict->races.warp_synchronised(warp, group);
    }
  }
}

/// operand: result, barrier, count, predicate.
void barrier(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const std::uint32_t* ids = row<std::uint32_t>(warp, in.operand[1]);
  const std::uint32_t* counts = row<std::uint32_t>(warp, in.operand[2]);
  warp.arrived = true;
  warp.stop = warp.code;
  while (mask != 0) {
    const unsigned lane = first_lane(mask);
    const std::uint32_t id = ids[lane];
    const std::uint32_t expected = (in.flags & kBarrierCounted) != 0 ? counts[lane] : 0;
    std::uint32_t group = 0;
    for (std::uint32_t left = mask; left != 0; left &= left - 1) {
      group |= ids[first_lane(left)] == id ? 1u << first_lane(left) : 0u;
    }
    mask &= ~group;
    if (id > 15) raise(warp, in, lane, Fault::Kind::out_of_bounds, "barriers are numbered 0 to 15");
    if ((in.flags & kBarrierCounted) != 0 && (expected == 0 || expected % kLanes != 0)) {
      raise(warp, in, lane, Fault::Kind::divergent_barrier, "a barrier's thread count must be a multiple of 32");
    }
    Barrier& barrier = warp.block->barrier(id);
    if (barrier.arrived != 0 && barrier.expected != expected) {
      raise(warp, in, lane, Fault::Kind::divergent_barrier, "threads disagree on how many a barrier waits for");
    }
    barrier.expected = expected;
    barrier.arrived += static_cast<std::uint32_t>(__builtin_popcount(group));
    if (in.mode >= kBarrierPopc) {
      const std::uint32_t p =
          *row<std::uint32_t>(warp, in.operand[3]) ^ ((in.flags & kBarrierNegated) != 0 ? kAllLanes : 0);
      barrier.voted += static_cast<std::uint32_t>(__builtin_popcount(group));
      barrier.yes += static_cast<std::uint32_t>(__builtin_popcount(group & p));
    }
    if (warp.strict != nullptr) {
      warp.strict->races.arrived(warp, id, group, in.mode != kBarrierArrive);
      warp.strict->meetings.arrived(warp, in, id, group);
    }
    if (warp.meter != nullptr) warp.meter->arrived(id, in.mode != kBarrierArrive);
    if (in.mode != kBarrierArrive) park(warp, in, group, Path::State::barrier, id);
  }
}

void active_mask(Warp& warp, const Instruction& in, std::uint32_t mask) {
  std::uint32_t* d = row<std::uint32_t>(warp, in.operand[0]);
  for (std::uint32_t left = mask; left != 0; left &= left - 1) d[first_lane(left)] = mask;
}

/// isspacep: mode is the space.
void is_space(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const std::uint64_t* a = row<std::uint64_t>(warp, in.operand[1]);
  std::uint32_t& d = *row<std::uint32_t>(warp, in.operand[0]);
  for (std::uint32_t left = mask; left != 0; left &= left - 1) {
    const unsigned lane = first_lane(left);
    const std::uint64_t window = a[lane] & kWindowMask;
    bool yes = false;
    switch (static_cast<ptx::Space>(in.mode)) {
      case ptx::Space::shared:
        yes = window == kSharedWindow;
        break;
      case ptx::Space::local:
        yes = window == kLocalWindow;
        break;
      case ptx::Space::parameter:
        yes = window == kParameterWindow;
        break;
      case ptx::Space::global:
        yes = window == 0 && warp.block->memory().find(a[lane]).end != 0;
        break;
      default:
        break;
    }
    d = (d & ~(1u << lane)) | static_cast<std::uint32_t>(yes) << lane;
  }
}

/// cvta: adds the window's base (immediate). operand widths: flags bit 0: the source is 64 bits wide, bit 1: the
/// destination is.
void from_space(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for (; mask != 0; mask &= mask - 1) {
    const unsigned lane = first_lane(mask);
    const std::uint64_t a = (in.flags & 1) != 0 ? row<std::uint64_t>(warp, in.operand[1])[lane]
                                                : row<std::uint32_t>(warp, in.operand[1])[lane];
    const std::uint64_t d = a | static_cast<std::uint64_t>(in.immediate);
    if ((in.flags & 2) != 0) {
      row<std::uint64_t>(warp, in.operand[0])[lane] = d;
    } else {
      row<std::uint32_t>(warp, in.operand[0])[lane] = static_cast<std::uint32_t>(d);
    }
  }
}

/// cvta.to: takes the window's base away.
void to_space(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for (; mask != 0; mask &= mask - 1) {
    const unsigned lane = first_lane(mask);
    const std::uint64_t a = row<std::uint64_t>(warp, in.operand[1])[lane];
    const std::uint64_t d = (a & kWindowMask) == static_cast<std::uint64_t>(in.immediate) ? a & ~kWindowMask : a;
    if ((in.flags & 2) != 0) {
      row<std::uint64_t>(warp, in.operand[0])[lane] = d;
    } else {
      row<std::uint32_t>(warp, in.operand[0])[lane] = static_cast<std::uint32_t>(d);
    }
  }
}

/// mov of the address of a local variable: relative to the frame.
void local_address(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const std::uint64_t address = warp.frame_local + static_cast<std::uint64_t>(in.immediate);
  for (; mask != 0; mask &= mask - 1) {
    if (in.size == 8) {
      row<std::uint64_t>(warp, in.operand[0])[first_lane(mask)] = address;
    } else {
      row<std::uint32_t>(warp, in.operand[0])[first_lane(mask)] = static_cast<std::uint32_t>(address);
    }
  }
}

}  // namespace emulator::control
