// The delta rule phase for Hopper: a persistent CTA whose warpgroups have roles, joined by barriers in shared memory.
// The first warpgroups hold the state (state.cuh), then come one that prepares chunks (prepare.cuh) and one of which a
// single thread copies (copy.cuh) and three warps invert (invert.cuh). What is computed: delta_rule.cuh.
#pragma once

#include "device/warpgroup.cuh"
#include "hopper/copy.cuh"
#include "hopper/invert.cuh"
#include "hopper/prepare.cuh"
#include "hopper/state.cuh"

namespace osdn {

/// Registers of a thread after the warpgroups have shared them out anew: multiples of 8, in sum what the launch has.
template <int states>
struct HopperRegisters;
template <>
struct HopperRegisters<1> {
  static constexpr int state = 240, prepare = 160, copy = 104;  // launched with 3 × 168
};
template <>
struct HopperRegisters<2> {
  static constexpr int state = 160, prepare = 112, copy = 80;  // launched with 4 × 128
};

template <class Traits>
inline void delta_rule_hopper(const ForwardParameters& p, const HopperMaps& maps) {
  using Shared = HopperShared<Traits>;
  using Registers = HopperRegisters<Shared::states>;
  if (threadIdx.x == 0) Shared().initialise_barriers();
  __syncthreads();
  const int role = warpgroup_id();
  if (role < Shared::states) {
    take_registers<Registers::state>();
    HopperState<Traits>(p, role).run();
  } else if (role == Shared::states) {
    give_registers<Registers::prepare>();
    HopperPreparation<Traits>(p).run();
  } else {
    give_registers<Registers::copy>();
    if (warpgroup_thread() >= 32) {
      HopperInversion<Traits>::run(p);
    } else if (is_elected()) {
      copy_chains<Traits>(p, maps);
    }
  }
}

}  // namespace osdn
