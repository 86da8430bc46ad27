// How a segment carries its entry state to the next one: h ↦ A h + B. The delta rule moves the columns of [I | 0]
// through the segment with the values [0 | v]; the first K columns end as A, the rest as B. The last segment of a
// sequence needs neither. The first one begins with the initial state, and ends as the next one's entry: it needs no A.
#pragma once

#include "delta_rule.cuh"

namespace osdn {

template <class Traits>
inline void segment_transfer(const ForwardParameters& p) {
  using Phase = DeltaRuleChunk<Traits, DeltaRulePass::transfer>;
  constexpr int K = Traits::K;
  constexpr int tiles = Phase::block_v / 16;  // of one CTA
  constexpr int tiles_per_warp = (tiles + Traits::warps - 1) / Traits::warps;
  constexpr int splits = Traits::value_split + (K / 16 + tiles - 1) / tiles;

  const int split = blockIdx.x % splits;
  const int head = blockIdx.x / splits % p.value_heads;
  const Segment segment = find_segment<Traits::chunk>(p, blockIdx.x / splits / p.value_heads);
  if (!segment.exists() || segment.is_last()) return;

  const bool of_values = split < Traits::value_split;
  if (segment.index == 0 && !of_values) return;
  const int first_tile = of_values ? split * tiles : (split - Traits::value_split) * tiles;
  const int count = of_values || K / 16 - first_tile > tiles ? tiles : K / 16 - first_tile;
  Block h[tiles_per_warp][K / 16];
#pragma unroll
  for (int i = 0; i < tiles_per_warp; ++i) {
    const int tile = first_tile + warp_id() + i * Traits::warps;
#pragma unroll
    for (int f = 0; f < K / 16; ++f) {
      for_each_element(h[i][f], [&](int column, int feature, float& x) {
        const bool diagonal = 16 * tile + lane_row() + column == 16 * f + lane_column() + feature;
        x = !of_values && diagonal ? 1.0F : 0.0F;
      });
    }
  }

  if (segment.index == 0 && p.initial_state != nullptr) {
    const float* entry = p.initial_state + (segment.sequence * p.value_heads + head) * K * Traits::V;
#pragma unroll
    for (int i = 0; i < tiles_per_warp; ++i) {
      const int tile = warp_id() + i * Traits::warps;
      if (tile < count) load_state<Traits, Traits::V>(h[i], entry + 16 * (first_tile + tile));
    }
  }

  Phase phase(p, segment.part, head, of_values ? split : 0, of_values);
  run_chunks<Traits>(phase, h, count, [](long long) {});

  const long long item = segment.number * p.value_heads + head;
#pragma unroll
  for (int i = 0; i < tiles_per_warp; ++i) {
    const int tile = warp_id() + i * Traits::warps;
    if (tile >= count) continue;
    if (of_values) {
      float* next = p.segment_states + (item + p.value_heads) * K * Traits::V;
      store_state<Traits, Traits::V>(h[i], next + 16 * (first_tile + tile));
    } else {
      float* to = p.operators + (operator_number(p, segment) * p.value_heads + head) * K * K;
      store_state<Traits, K>(h[i], to + 16 * (first_tile + tile));
    }
  }
}

}  // namespace osdn
