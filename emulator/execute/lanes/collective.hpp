// Instructions that wait for the lanes their member mask names.
#pragma once

#include "execute/lanes/row.hpp"

namespace emulator::EMULATOR_SET {
namespace {

constexpr unsigned kMembers = 4;  ///< operand that holds the member mask

/// One value per lane, exchanged between the lanes of a collective.
template <class T, class F>
void exchange(Warp& warp, const T* source, u32 mask, F f) {
  if (warp.exchange_phase == Warp::Exchange::none) {
    f(source, mask, mask);
    return;
  }
  if (warp.exchange_phase == Warp::Exchange::deposit) {
    for_lanes(mask, [&](unsigned i) { warp.exchange[i] = static_cast<u64>(source[i]); });
    return;
  }
  T values[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) values[i] = static_cast<T>(warp.exchange[i]);
  f(static_cast<const T*>(values), mask, warp.exchange_lanes);
}

/// Calls f(source, lanes, participants) for each group of lanes whose members have all arrived; parks the others.
template <class T, class F>
void collective(Warp& warp, const Instruction& in, u32 mask, const T* source, F f) {
  const u32* members = row<u32>(warp, in.operand[kMembers]);
  if (warp.exchange_phase != Warp::Exchange::none) return exchange(warp, source, mask, f);
  const u32 live = warp.present & ~warp.exited;
  u32 left = mask;
  u32 run[kLanes];
  unsigned runs = 0;
  while (left != 0) {
    const auto first = static_cast<unsigned>(__builtin_ctz(left));
    const u32 wanted = members[first];
    u32 group = 0;
    for_lanes(left, [&](unsigned i) { group |= members[i] == wanted ? 1u << i : 0u; });
    left &= ~group;
    if ((group & ~wanted) != 0) {
      raise(warp, in, static_cast<unsigned>(__builtin_ctz(group & ~wanted)), Fault::Kind::divergent_barrier,
            "the executing lane is not in its own member mask");
    }
    if ((wanted & warp.exited) != 0 && warp.strict != nullptr) raise_absent(warp, in, group);
    if ((wanted & live & ~group) == 0) {
      run[runs++] = group;
    } else {
      park(warp, in, group, Path::State::collective, wanted);
    }
  }
  for (unsigned k = 0; k < runs; ++k) exchange(warp, source, run[k], f);
}

/// For .aligned instructions of the whole warp: true when all its lanes are here; else they wait.
inline bool whole_warp(Warp& warp, const Instruction& in, u32 mask) {
  if (mask == kAllLanes) return true;
  const u32 missing = kAllLanes & ~mask;
  if ((missing & (warp.exited | ~warp.present)) != 0) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(mask));
    raise(warp, in, lane, Fault::Kind::divergent_barrier,
          "an instruction of the whole warp, but some of its 32 lanes have exited or never existed");
  }
  park(warp, in, mask, Path::State::aligned, kAllLanes);
  return false;
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
