// The preconditioner phase: d depends on keys and β alone, so it runs ahead of the state.
//
//   z_t = 1 − b_t ⟨d_t, s_t⟩      d_{t+1} = clip(ρ + γ_t (d_t − ρ) + (η b_t z_t / n_t) s_t)      s_t = k_t ⊙ k_t
//
// Out come one scalar a token, gain_t = η b_t z_t / n_t, and d at every chunk's start: with these, each feature of d is
// a recurrence of its own that the next phase replays. One CTA per sequence (or segment of one) and value head.
#pragma once

#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "preconditioner_chunked.cuh"
#include "preconditioner_parallel.cuh"
#include "preconditioner_serial.cuh"
#include "segment_turns.cuh"

namespace osdn {

template <class Traits>
inline void precondition(const ForwardParameters& p, const Segment& segment, int head) {
  if constexpr (Traits::preconditioner == PreconditionerAlgorithm::serial) {
    preconditioner_serial<Traits>(p, segment, head);
  } else if constexpr (Traits::preconditioner == PreconditionerAlgorithm::chunked) {
    preconditioner_chunked<Traits>(p, segment, head);
  } else {
    preconditioner_parallel<Traits>(p, segment, head);
  }
}

/// A cut pass launches this once a round, a CTA per segment, then once more, a CTA per sequence, for what the rounds
/// left over.
template <class Traits>
inline void preconditioner(const ForwardParameters& p) {
  const int head = blockIdx.x % p.value_heads;
  const long long item = blockIdx.x / p.value_heads;
  if constexpr (Traits::segmented) {
    SegmentTurns<Traits> turns(p, item);
#pragma unroll 1
    for (; turns.index < turns.end; ++turns.index) {
      if (turns.is_due()) precondition<Traits>(p, turns.segment(), head);
    }
    turns.finish();
  } else {
    precondition<Traits>(p, find_work<Traits>(p, item), head);
  }
}

}  // namespace osdn
