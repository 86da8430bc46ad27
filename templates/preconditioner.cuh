// The preconditioner phase: d depends on keys and β alone, so it runs ahead of the state.
//
//   z_t = 1 − b_t ⟨d_t, s_t⟩      d_{t+1} = clip(ρ + γ_t (d_t − ρ) + (η b_t z_t / n_t) s_t)      s_t = k_t ⊙ k_t
//
// Out come one scalar a token, gain_t = η b_t z_t / n_t, and d at every chunk's start: with these, each feature of d is
// a recurrence of its own that the next phase replays. One CTA per sequence and value head.
#pragma once

#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "preconditioner_parallel.cuh"
#include "preconditioner_serial.cuh"

namespace osdn {

template <class Traits>
inline void preconditioner(const ForwardParameters& p) {
  if constexpr (Traits::preconditioner == PreconditionerAlgorithm::serial) {
    preconditioner_serial<Traits>(p);
  } else {
    preconditioner_parallel<Traits>(p);
  }
}

}  // namespace osdn
