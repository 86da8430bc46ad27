// How each phase divides its shared memory. Constant expressions over built-in types only: the kernels take their
// offsets from here and the generator its constraint, so the two cannot differ.
#pragma once

namespace osdn {

/// Rows of a shared matrix are padded so that the eight rows a tensor load touches at once lie in different banks.
constexpr int padded(int columns) {
  return columns + 8;
}

constexpr int aligned_16(int bytes) {
  return (bytes + 15) / 16 * 16;
}

/// Delta rule phase: byte offsets of each buffer.
struct DeltaRuleLayout {
  int k;     // [stages][chunk][padded(K)] elements
  int q;     // the same
  int v;     // [stages][chunk][padded(V / value_split)] elements
  int w;     // [chunk][padded(K)] elements; k itself without a preconditioner
  int t;     // [chunk][t_stride] fp32: L, then (I + L)^{-1}, then its rounded form in place, row by row
  int p;     // [chunk][padded(chunk)] elements
  int rows;  // 5 × [chunk] fp32: β, key and query norms, gain, γ
  int t_stride;
  int bytes;
};

constexpr DeltaRuleLayout delta_rule_layout(int element_bytes, int K, int block_v, int chunk, int stages,
                                            bool preconditioned, bool reads_out = true) {
  DeltaRuleLayout layout{};
  const int k_tile = chunk * padded(K) * element_bytes;
  const int v_tile = chunk * padded(block_v) * element_bytes;
  layout.t_stride = element_bytes == 4 ? chunk + 8 : chunk + 4;
  int offset = 0;
  layout.k = offset;
  offset += stages * k_tile;
  layout.q = offset;
  offset += reads_out ? stages * k_tile : 0;
  layout.v = offset;
  offset += stages * v_tile;
  layout.w = offset;
  offset += preconditioned ? k_tile : 0;
  layout.t = offset;
  offset += aligned_16(chunk * layout.t_stride * 4);
  layout.p = offset;
  offset += reads_out ? aligned_16(chunk * padded(chunk) * element_bytes) : 0;
  layout.rows = offset;
  offset += 5 * chunk * 4;
  layout.bytes = offset;
  return layout;
}

/// Tokens that the preconditioner phase solves for at once.
inline constexpr int solve_rows = 16;

/// Preconditioner phase: byte offsets of each buffer. A group is one block of solve_rows tokens a warp.
struct PreconditionerLayout {
  int k;          // [2][group][padded(K)] elements; parallel only
  int gamma;      // [group][K] fp32 with a γ per channel, [group] with one per token; parallel only
  int inverse;    // [warps][16][17] fp32: (I + M)^{-1}; parallel only
  int rows;       // 4 × [group] fp32: b, μ, squared key norm, key scale; parallel only
  int norm;       // [warps] fp32: the largest row sum of |M|; parallel only
  int reduction;  // [2][warps][16] fp32
  int bytes;
};

constexpr PreconditionerLayout preconditioner_layout(int element_bytes, int K, int warps, bool parallel,
                                                     bool gamma_per_channel) {
  PreconditionerLayout layout{};
  const int group = warps * solve_rows;
  int offset = 0;
  if (parallel) {
    layout.k = offset;
    offset += 2 * group * padded(K) * element_bytes;
    layout.gamma = offset;
    offset += group * (gamma_per_channel ? K : 1) * 4;
    layout.inverse = offset;
    offset += warps * solve_rows * (solve_rows + 1) * 4;
    layout.rows = offset;
    offset += 4 * group * 4;
    layout.norm = offset;
    offset += aligned_16(warps * 4);
  }
  layout.reduction = offset;
  offset += 2 * warps * solve_rows * 4;
  layout.bytes = offset;
  return layout;
}

/// Segment states: two hᵀ of 16 value columns, [2][16][padded(K)] fp32.
constexpr int segment_states_bytes(int K) {
  return 2 * 16 * padded(K) * 4;
}

/// Warps of a CTA of the kernels that lie between segments.
inline constexpr int segment_warps = 8;

/// Segment correction: threads that share a row of a Jacobian each leave a part of the sum, then Δ, then [warps].
constexpr int segment_correction_bytes(int K) {
  return (32 * segment_warps + K + 2 * segment_warps) * 4;
}

/// Segment Jacobian: byte offsets of each buffer. A group is some blocks of solve_rows tokens.
struct JacobianLayout {
  int s;        // [group][padded(K)] fp32: squared keys
  int a;        // the same: γ, or 0 where the clip bound
  int x;        // the same: s times the product of a from the block's start
  int y;        // the same: s where the clip did not bind, times the product of a to the block's end
  int to_exit;  // [blocks][K] fp32: the product of a over the block
  int inverse;  // [blocks][16][padded(16)] fp32: (I + M)^{-1}
  int rows;     // 4 × [group] fp32: μ b, gain, γ, key scale
  int clipped;  // [blocks] int
  int group;    // tokens
  int bytes;
};

constexpr JacobianLayout jacobian_layout(int K) {
  JacobianLayout layout{};
  const int blocks = K <= 64 ? 4 : K <= 128 ? 2 : 1;
  layout.group = blocks * solve_rows;
  const int tile = layout.group * padded(K) * 4;
  int offset = 0;
  layout.s = offset;
  offset += tile;
  layout.a = offset;
  offset += tile;
  layout.x = offset;
  offset += tile;
  layout.y = offset;
  offset += tile;
  layout.to_exit = offset;
  offset += blocks * K * 4;
  layout.inverse = offset;
  offset += blocks * solve_rows * padded(solve_rows) * 4;
  layout.rows = offset;
  offset += 4 * layout.group * 4;
  layout.clipped = offset;
  offset += aligned_16(blocks * 4);
  layout.bytes = offset;
  return layout;
}

/// New tokens that the step kernel holds in shared memory at once.
inline constexpr int decode_tokens = 16;

/// Step kernel: offsets of each buffer, in floats.
struct DecodeLayout {
  int keys;     // [decode_tokens][K] k in fp32
  int queries;  // the same of q
  int writes;   // w; before, γ where there is one per channel
  int values;   // [decode_tokens][V / value_split]
  int scalars;  // 5 × [decode_tokens]: scales of key and query, overlap, β, γ
  int floats;
};

constexpr DecodeLayout decode_layout(int K, int block_v) {
  DecodeLayout layout{};
  int offset = 0;
  layout.keys = offset;
  offset += decode_tokens * K;
  layout.queries = offset;
  offset += decode_tokens * K;
  layout.writes = offset;
  offset += decode_tokens * K;
  layout.values = offset;
  offset += decode_tokens * block_v;
  layout.scalars = offset;
  offset += 5 * decode_tokens;
  layout.floats = offset;
  return layout;
}

/// Tokens that the chunked preconditioner solves for at once: a chunk, or half of the longest one.
constexpr int solve_chunk(int chunk) {
  return chunk < 64 ? chunk : 64;
}

/// What the chunked preconditioner needs beside the keys: byte offsets, each a multiple of 16.
struct PreconditionerChunkLayout {
  // What is made ahead of d, counted from the start of each of its buffers.
  int t;        // [rows][rows + 4] fp32: M, then the inverses of its blocks; before that the parts of the Gram matrix
  int rows;     // 11 × [rows] fp32: tables of what each row has one of
  int squares;  // [4][rows] fp32: each warp's part of |k|²
  int largest;  // [8] fp32: the largest of |M| that each warp has seen, then each block's decay
  int ahead_bytes;
  // What moves with d, counted from the end of these buffers.
  int sums;       // [4][rows] fp32: each warp's part of sums over the features
  int solution;   // [rows] fp32
  int d;          // [K] fp32
  int d_columns;  // [8][K + 8] bf16: d − ρ in three numbers
  int gains;      // [8][rows + 8] bf16: what carries d through the chunk
  int reduction;  // [2][4][16] fp32
  int step_bytes;
};

constexpr PreconditionerChunkLayout preconditioner_chunk_layout(int K, int rows) {
  PreconditionerChunkLayout layout{};
  const int blocks = rows / 16;
  const int lower = blocks * (blocks + 1) / 2;
  const int gram = (lower > 5 ? lower / 2 : lower) * 4 * 4 * 32 * 8;
  const int t = rows * (rows + 4) * 4;
  int offset = 0;
  layout.t = offset;
  offset += gram > t ? gram : t;
  layout.rows = offset;
  offset += 11 * rows * 4;
  layout.squares = offset;
  offset += 4 * rows * 4;
  layout.largest = offset;
  offset += 8 * 4;
  layout.ahead_bytes = offset;
  offset = 0;
  layout.sums = offset;
  offset += 4 * rows * 4;
  layout.solution = offset;
  offset += rows * 4;
  layout.d = offset;
  offset += K * 4;
  layout.d_columns = offset;
  offset += 8 * padded(K) * 2;
  layout.gains = offset;
  offset += 8 * padded(rows) * 2;
  layout.reduction = offset;
  offset += 2 * 4 * 16 * 4;
  layout.step_bytes = offset;
  return layout;
}

/// The phase of its own. With two warpgroups one prepares chunks while the other moves d: buffers twice, and keys of
/// one chunk more on their way.
struct PreconditionerChunkedLayout {
  int stages;  // of [rows][padded(K)] elements, at the front
  int ahead;   // [buffers] of what is made ahead of d
  int buffers;
  int step;
  int bytes;
};

constexpr PreconditionerChunkedLayout preconditioner_chunked_layout(int element_bytes, int K, int chunk, int warps) {
  PreconditionerChunkedLayout layout{};
  const PreconditionerChunkLayout parts = preconditioner_chunk_layout(K, solve_chunk(chunk));
  layout.buffers = warps == 8 ? 2 : 1;
  layout.stages = layout.buffers + 1;
  layout.ahead = layout.stages * solve_chunk(chunk) * padded(K) * element_bytes;
  layout.step = layout.ahead + layout.buffers * parts.ahead_bytes;
  layout.bytes = layout.step + parts.step_bytes;
  return layout;
}

}  // namespace osdn
