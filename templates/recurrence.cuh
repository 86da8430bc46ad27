// The family that the delta rule phase computes, and what each member puts in its places:
//
//   h̄_t = Diag(e^{g_t}) h_{t−1}      u_t = ν_t − h̄_tᵀ e_t      h_t = h̄_t + w_t u_tᵀ      o_t = scale h_tᵀ q_t
//
//                     decay g    erase key e    write key w    value ν
//   DeltaNet          none       β k            k              β v
//   OSDN              none       β k            d ⊙ k          β v
//
// (Gated DeltaNet, KDA, GDN-2, linear attention and DeltaProduct differ from these in g, e, w, ν and rows per output.)
// A chunk meets the decay in four places and the coefficients in two; a new member fills them in here.
#pragma once

#include "osdn/axes.hpp"

namespace osdn {

/// e^{G} between places of a chunk, G the inclusive sum of g from the chunk's start. Every exponent is ≤ 0.
template <Decay decay>
struct ChunkDecay;

template <>
struct ChunkDecay<Decay::none> {
  static float from_entry(int) { return 1.0F; }    // e^{G_i}: of the entry state as row i reads it
  static float between(int, int) { return 1.0F; }  // e^{G_i − G_j}, j ≤ i: of row j's write as row i reads it
  static float to_exit(int) { return 1.0F; }       // e^{G_C − G_j}: of row j's write in the exit state
  static float of_chunk() { return 1.0F; }         // e^{G_C}: of the entry state in the exit state
};

template <class Traits>
struct Recurrence {
  static constexpr bool decays = Traits::decay != Decay::none;
  static_assert(Traits::erase == Erase::beta, "only erase keys βk are filled in");
  static_assert(Traits::value == ValueCoefficient::beta, "only values βv are filled in");
  static_assert(Traits::micro_steps == 1, "only one row per output is filled in");

  /// e_t = erase_coefficient · k_t
  static float erase_coefficient(float beta) { return beta; }
  /// ν_t = value_coefficient · v_t
  static float value_coefficient(float beta) { return beta; }
};

}  // namespace osdn
