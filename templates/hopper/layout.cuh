// How a CTA of the Hopper kernel divides its shared memory. Constant expressions over built-in types only: the kernel
// takes its offsets from here and the generator its constraint.
#pragma once

namespace osdn {

inline constexpr int hopper_chunk = 64;
inline constexpr int hopper_panel = 64 * 128;  // bytes of 64 tokens × 64 columns of 16 bits
/// Value columns that one state warpgroup holds.
inline constexpr int hopper_state_columns = 64;
/// Chunks that may be prepared before the state has taken them.
inline constexpr int hopper_prepared = 2;

/// A row of the system in 16×16 blocks, counted in fp32: what lies before the diagonal block, rounded to bf16; what
/// that lost, in bf16; the diagonal block in fp32, then a row of its transposed inverse, split in the same way.
inline constexpr int hopper_system_low = 24;
inline constexpr int hopper_system_diagonal = 48;

struct HopperLayout {
  // Loaded, [stages] each: panels of 64 columns.
  int k;
  int q;
  int v;  // takes o once it has been read
  // Prepared, [hopper_prepared] each.
  int w;          // W = d ⊙ K in panels; not there without a preconditioner, where W is K
  int inverse;    // (I + L)^{-1}, rounded
  int remainder;  // what the rounding lost; not in fp16 without a preconditioner
  int products;   // P
  int rows;       // 4 × [chunk] fp32: what each token has one of
  int system;     // [chunk][system_stride] fp32: −L, see hopper_system_low
  // The prepare warpgroup's own.
  int steps;  // [chunk] × 4 fp32: what each token does to d and to its write key
  int barriers;
  int ticket;  // of a fused grid: one word
  int bytes;

  int key_stage;    // bytes of one stage of k or q, and of one W
  int value_stage;  // bytes of one stage of v
  int system_stride;
  int system_stage;  // bytes of one system
};

constexpr HopperLayout hopper_layout(int K, int block_v, int stages, bool preconditioned, bool bf16,
                                     bool fused = false) {
  const bool has_remainder = bf16 || preconditioned;
  HopperLayout layout{};
  layout.key_stage = K / 64 * hopper_panel;
  layout.value_stage = block_v / 64 * hopper_panel;
  layout.system_stride = hopper_chunk + 4;
  layout.system_stage = hopper_chunk * layout.system_stride * 4;
  int offset = 0;
  layout.k = offset;
  offset += stages * layout.key_stage;
  layout.q = offset;
  offset += stages * layout.key_stage;
  layout.v = offset;
  offset += stages * layout.value_stage;
  layout.w = offset;
  offset += preconditioned ? hopper_prepared * layout.key_stage : 0;
  layout.inverse = offset;
  offset += hopper_prepared * hopper_panel;
  layout.remainder = offset;
  offset += has_remainder ? hopper_prepared * hopper_panel : 0;
  layout.products = offset;
  offset += hopper_prepared * hopper_panel;
  layout.rows = offset;
  offset += hopper_prepared * 4 * hopper_chunk * 4;
  layout.system = offset;
  offset += hopper_prepared * layout.system_stage;
  layout.steps = offset;
  offset += hopper_chunk * 16;
  layout.barriers = offset;
  offset += (2 * stages + 3 * hopper_prepared) * 8;
  layout.ticket = offset;
  offset += fused ? 8 : 0;
  layout.bytes = offset;
  return layout;
}

/// Dynamic shared memory that a block of sm_90 may have (CUDA C++ Programming Guide, "Technical Specifications per
/// Compute Capability").
inline constexpr int hopper_shared_bytes = 227 * 1024;

/// How a preconditioning CTA of the fused kernel divides itself.
struct TeamsLayout {
  int teams;
  int bytes;
};

/// As many teams, of so many warps and bytes each, as the warps and the shared memory of a chain's CTA hold.
constexpr TeamsLayout teams_layout(int block_v, int warps, int team_bytes) {
  TeamsLayout layout{};
  const int by_warps = (block_v / hopper_state_columns + 2) * 4 / warps;
  const int by_memory = hopper_shared_bytes / team_bytes;
  layout.teams = by_warps < by_memory ? by_warps : by_memory;
  layout.bytes = layout.teams * team_bytes;
  return layout;
}

/// What a Hopper kernel takes besides ForwardParameters: CUtensorMaps of q, k and v over [batch, tokens, heads,
/// columns].
struct alignas(64) TensorMap {
  unsigned long long words[16];
};
struct HopperMaps {
  TensorMap q;
  TensorMap k;
  TensorMap v;
};

}  // namespace osdn
