// The chains of chunks that a persistent CTA works through, and its shared memory.
//
// A chain is a sequence (or segment of one), a value head and a block of value columns. Every role walks the same
// chains in the same order and counts chunks through: a chunk's stage and phase follow from its number among all the
// CTA's chunks.
#pragma once

#include "device/element.cuh"
#include "device/mbarrier.cuh"
#include "hopper/layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// Traits of the kernel that holds the preconditioner, too.
template <class Traits>
struct Fused : Traits {};
template <class Traits>
inline constexpr bool is_fused = false;
template <class Traits>
inline constexpr bool is_fused<Fused<Traits>> = true;

/// A place in a ring of N buffers, and the parity of the barriers' phase in this round.
template <int N>
struct Ring {
  unsigned count = 0;
  int place() const { return static_cast<int>(count % N); }
  unsigned parity() const { return count / N & 1; }
  void next() { ++count; }
};

template <class Traits>
struct Chain {
  int split;
  int head;
  int key_head;
  long long n;        // of the sequence
  long long segment;  // its number over the whole batch
  bool exists;        // some numbers have no segment: no tokens, and no states
  bool is_last;       // of its sequence: what it ends with is final
  Sequence sequence;  // what it takes for one: the segment's part
  int tokens;         // a tensor map counts no more than fit in an int

  Chain(const ForwardParameters& p, unsigned number)
      : split(static_cast<int>(number % Traits::value_split)),
        head(static_cast<int>(number / Traits::value_split % p.value_heads)),
        key_head(head / (p.value_heads / p.key_heads)) {
    const Segment work = find_work<Traits>(p, number / Traits::value_split / p.value_heads);
    n = work.sequence;
    segment = work.number;
    exists = work.exists();
    is_last = work.is_last();
    sequence = work.part;
    tokens = exists ? static_cast<int>(work.part.length) : 0;
  }
};

/// The same number, but nothing is known of it any more: what was made from it is made again, not kept in registers.
inline unsigned forgotten(unsigned number) {
  asm volatile("" : "+r"(number));
  return number;
}

/// Zeros, by a group of warps.
template <class Group>
inline void clear_panel(unsigned char* panel) {
#pragma unroll 1
  for (int i = Group::thread(); i < hopper_panel / 16; i += Group::threads) {
    reinterpret_cast<uint4*>(panel)[i] = uint4{0, 0, 0, 0};
  }
}

template <class Traits>
struct HopperShared {
  static constexpr int C = Traits::chunk;
  static constexpr int K = Traits::K;
  static constexpr int block_v = Traits::V / Traits::value_split;
  static constexpr int states = block_v / 64;  // state warpgroups
  static constexpr bool preconditioned = Traits::precondition == Precondition::osdn;
  static constexpr bool bf16 = Traits::type == ElementType::bf16;
  // One rounding is too few bits for (I + L)^{-1} of nearly equal keys (delta_rule_chunk.cuh). Without a preconditioner
  // fp16 has no register left for a remainder.
  static constexpr bool has_remainder = bf16 || preconditioned;
  static constexpr HopperLayout layout =
      hopper_layout(K, block_v, Traits::stages, preconditioned, bf16, is_fused<Traits>);
  using Loaded = Ring<Traits::stages>;
  using Prepared = Ring<hopper_prepared>;
  static_assert(C == hopper_chunk);

  unsigned char* base;

  HopperShared() {
    extern __shared__ __align__(1024) unsigned char shared_memory[];
    base = shared_memory;
  }

  unsigned char* k(int stage) const { return base + layout.k + stage * layout.key_stage; }
  unsigned char* q(int stage) const { return base + layout.q + stage * layout.key_stage; }
  unsigned char* v(int stage) const { return base + layout.v + stage * layout.value_stage; }
  unsigned char* w(int slot, int stage) const {
    return preconditioned ? base + layout.w + slot * layout.key_stage : k(stage);
  }
  unsigned char* inverse(int slot) const { return base + layout.inverse + slot * hopper_panel; }
  unsigned char* remainder(int slot) const { return base + layout.remainder + slot * hopper_panel; }
  unsigned char* products(int slot) const { return base + layout.products + slot * hopper_panel; }

  // What each token has one of, for the state: ν's coefficient, the erase key's, what U lacks of W, the output's.
  float* value_factor(int slot) const { return floats(layout.rows) + slot * 4 * C; }
  float* erase_factor(int slot) const { return value_factor(slot) + C; }
  float* write_factor(int slot) const { return value_factor(slot) + 2 * C; }
  float* output_factor(int slot) const { return value_factor(slot) + 3 * C; }

  float* system(int slot) const { return floats(layout.system + slot * layout.system_stage); }
  float4* steps() const { return reinterpret_cast<float4*>(base + layout.steps); }

  /// Which of the CTAs of a fused grid this is, by its ticket.
  unsigned& ticket() const { return *reinterpret_cast<unsigned*>(base + layout.ticket); }

  Mbarrier& full(int stage) const { return barrier(stage); }                      // q, k, v are there
  Mbarrier& empty(int stage) const { return barrier(Traits::stages + stage); }    // nobody needs them any more
  Mbarrier& posed(int slot) const { return barrier(2 * Traits::stages + slot); }  // L is there
  Mbarrier& ready(int slot) const { return barrier(2 * Traits::stages + hopper_prepared + slot); }
  Mbarrier& taken(int slot) const { return barrier(2 * Traits::stages + 2 * hopper_prepared + slot); }

  void initialise_barriers() const {
    for (int i = 0; i < Traits::stages; ++i) {
      full(i).initialise(1);
      empty(i).initialise(4 * (1 + states));  // every warp of the prepare and state warpgroups
    }
    for (int i = 0; i < hopper_prepared; ++i) {
      posed(i).initialise(1);
      ready(i).initialise(2);  // by the prepare and the invert role
      taken(i).initialise(4 * states);
    }
    fence_mbarrier_initialisation();
  }

 private:
  float* floats(int offset) const { return reinterpret_cast<float*>(base + offset); }
  Mbarrier& barrier(int i) const { return reinterpret_cast<Mbarrier*>(base + layout.barriers)[i]; }
};

/// Calls f(number) for every chain of this CTA. The first CTAs of a fused grid have none.
template <class Traits, class F>
inline void for_each_chain(const ForwardParameters& p, F f) {
  const long long items = Traits::segmented ? p.segments : p.sequences;
  const unsigned count = static_cast<unsigned>(items * p.value_heads * Traits::value_split);
  unsigned others = 0;
  unsigned cta = blockIdx.x;
  if constexpr (is_fused<Traits>) {
    others = static_cast<unsigned>(p.preconditioners);
    cta = HopperShared<Traits>().ticket() - others;
  }
#pragma unroll 1
  for (unsigned number = cta; number < count; number += gridDim.x - others) f(number);
}

}  // namespace osdn
