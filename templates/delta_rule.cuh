// The delta rule phase: one CTA per sequence, value head and block of value columns, chunk after chunk.
//
//   W = d ⊙ K          L = tril₋₁(Diag(β) K Wᵀ)      T = (I + L)⁻¹      P = tril(Q Wᵀ)
//   Uᵀ = (Vᵀ − hᵀKᵀ) Diag(β) Tᵀ      Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ)      hᵀ ← hᵀ + Uᵀ W
//
// Everything that involves the state is transposed: a warp owns 16 value columns and all key features of hᵀ in
// registers, and each accumulator, rounded, is the A operand of the next product. With an in-kernel L2 norm the factors
// r of q and k are applied to accumulators: K and Q stay as stored and the rows of L gain r_i. Write keys are formed
// from the normed key; where W is K itself, r_j goes to the columns of L and to U_j instead.
#pragma once

#include "checkpoints.cuh"
#include "delta_rule_operands.cuh"
#include "delta_rule_step.cuh"
#include "device/tensor_fp32.cuh"
#include "inverse.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// Loads hᵀ of a warp's value columns from a state with `columns` columns, or zeros.
template <class Traits, int columns, int Features>
inline void load_state(Block (&h)[Features], const float* state) {
  if (state == nullptr) {
#pragma unroll
    for (int f = 0; f < Features; ++f) h[f] = zero_block();
    return;
  }
  const float* lane = state + lane_column() * columns + lane_row();
#pragma unroll
  for (int f = 0; f < Features; ++f) {
    for_each_element(h[f], [&](int column, int feature, float& x) { x = lane[(16 * f + feature) * columns + column]; });
  }
}

template <class Traits, int columns, int Features>
inline void store_state(Block (&h)[Features], float* state) {
  float* lane = state + lane_column() * columns + lane_row();
#pragma unroll
  for (int f = 0; f < Features; ++f) {
    for_each_element(h[f], [&](int column, int feature, float& x) { lane[(16 * f + feature) * columns + column] = x; });
  }
}

/// Stores hᵀ of all of a warp's tiles among those of a CTA's value columns.
template <class Traits, int PerWarp>
inline void store_states(Block (&h)[PerWarp][Traits::K / 16], float* state) {
  constexpr int tiles = Traits::V / Traits::value_split / 16;
#pragma unroll
  for (int i = 0; i < PerWarp; ++i) {
    const int tile = warp_id() + i * Traits::warps;
    if (tile < tiles) store_state<Traits, Traits::V>(h[i], state + 16 * tile);
  }
}

/// Moves the state of this CTA's `tiles` blocks of 16 columns through all chunks of the phase's sequence: warp w has
/// the tiles w, w + warps, …. Calls done(c) behind each chunk.
template <class Traits, class Phase, int PerWarp, class Done>
inline void run_chunks(Phase& phase, Block (&h)[PerWarp][Traits::K / 16], int tiles, Done done) {
  for (long long c = 1 - Traits::stages; c < phase.sequence.chunks; ++c) {
    phase.load(c + Traits::stages - 1);
    if (c < 0) continue;  // filling the pipeline
    phase.wait(c);
    phase.make_rows();
    phase.make_write_keys();
    phase.make_products();
    invert_unit_lower<Traits, Phase::t_stride>(phase.t);
    phase.round_inverse();
#pragma unroll
    for (int i = 0; i < PerWarp; ++i) {
      const int tile = warp_id() + i * Traits::warps;
      if (tile < tiles) phase.step(h[i], tile);
    }
    done(c);
    __syncthreads();  // before the next chunk takes the buffers
  }
}

template <class Traits>
inline void delta_rule(const ForwardParameters& p) {
  using Phase = DeltaRuleChunk<Traits>;
  constexpr int tiles = Phase::block_v / 16;
  constexpr int tiles_per_warp = (tiles + Traits::warps - 1) / Traits::warps;

  const int split = blockIdx.x % Traits::value_split;
  const int head = blockIdx.x / Traits::value_split % p.value_heads;
  const Segment segment = find_work<Traits>(p, blockIdx.x / Traits::value_split / p.value_heads);
  if (Traits::segmented && !segment.exists()) return;
  const long long of_head = segment.sequence * p.value_heads + head;
  const long long state_offset = of_head * Traits::K * Traits::V + split * Phase::block_v;

  const float* entry = p.initial_state != nullptr ? p.initial_state + state_offset : nullptr;
  if (Traits::segmented && p.segment_states != nullptr) {
    entry = p.segment_states + (segment.number * p.value_heads + head) * Traits::K * Traits::V + split * Phase::block_v;
  }
  Block h[tiles_per_warp][Traits::K / 16];
#pragma unroll
  for (int i = 0; i < tiles_per_warp; ++i) {
    const int tile = warp_id() + i * Traits::warps;
    if (tile >= tiles) continue;
    load_state<Traits, Traits::V>(h[i], entry != nullptr ? entry + 16 * tile : nullptr);
  }

  Phase phase(p, segment.part, head, split);
  run_chunks<Traits>(phase, h, tiles, [&](long long c) {
    if (p.checkpoint_chunks == 0) return;
    const long long done = (c + 1) * Traits::chunk;
    const long long row = checkpoint_due<Traits::chunk>(p, segment.part, done);
    if (row < 0) return;
    if (p.checkpoint_state != nullptr) {
      float* const rows = static_cast<float*>(p.checkpoint_state);
      store_states<Traits>(h, rows + (row * p.value_heads + head) * Traits::K * Traits::V + split * Phase::block_v);
    }
    if (split == 0) store_checkpoint_d<Traits>(p, segment.part, head, done, row, threadIdx.x, Phase::threads);
  });
  if (Traits::segmented && !segment.is_last()) return;

  if (p.final_state != nullptr) store_states<Traits>(h, p.final_state + state_offset);
  if constexpr (Traits::precondition == Precondition::none) {  // nobody else would write the d that is asked for
    if (p.final_d != nullptr && split == 0) {
      for (int c = threadIdx.x; c < Traits::K; c += 32 * Traits::warps) p.final_d[of_head * Traits::K + c] = 1.0F;
    }
  }
}

}  // namespace osdn
