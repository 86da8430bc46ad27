// The one argument of every kernel of the forward pass, and of the step kernel. Compiled by NVRTC for the device and by
// the host compiler for the runtime, so it uses built-in types only and both sides agree on its layout by construction.
#pragma once

namespace osdn {

/// Elements from one batch entry, token and head of a tensor to the next; each row is dense.
struct RowStrides {
  long long batch;
  long long token;
  long long head;
};

struct ForwardParameters {
  // Sizes: tokens per batch entry (all tokens of a packed batch), key and value heads, sequences.
  long long tokens;
  long long sequences;
  int key_heads;
  int value_heads;

  // Inputs and outputs; layouts in include/osdn/arguments.hpp. Null: not given or not wanted.
  const void* q;
  const void* k;
  const void* v;
  const void* beta;
  const float* log_gamma;
  const float* initial_state;
  const float* initial_d;
  const void* cu_seqlens;
  void* o;
  float* final_state;
  float* final_d;

  RowStrides q_strides;
  RowStrides k_strides;
  RowStrides v_strides;
  RowStrides o_strides;
  RowStrides beta_strides;
  RowStrides log_gamma_strides;

  // States and d behind every checkpoint_every tokens of a sequence, a row each: [rows, HV, K, V] and [rows, HV, K].
  void* checkpoint_state;  // fp32; of the step kernel, the state type
  float* checkpoint_d;
  long long checkpoint_every;  // tokens; 0: none
  unsigned checkpoint_chunks;  // the same in chunks; not for the step kernel

  // Workspace: what the preconditioner phase tells the delta rule phase.
  float* gain;      // [HV, B·T] μ_t z_t, the scalar that moves d
  float* d_chunks;  // [HV, chunks, K] d at the start of each chunk, chunks = ⌊B·T / C⌋ + N

  // Workspace of the fused Hopper kernel; zeros when it begins: the tickets its CTAs have drawn, then, for each
  // sequence and value head, the chunks whose gains and d are there. [1 + N·HV]
  unsigned* progress;

  // Workspace of a cut pass; null in one that is not cut. Segments are numbered in sequence.cuh.
  // A segment's first index is its number, so these are [segments, HV, …].
  float* segment_states;  // [K, V] the offset of the segment before, then the entry state
  float* operators;  // [K, K] Jacobians of the segments' d, then the transfer operators of their states; not [segments,
                     // HV, …] but [operator_number, HV, …] of those that have one
  float* segment_d;  // [K] d that the segment was last begun with
  float* segment_ends;  // [K] d behind the segment, begun so
  int* segment_moves;   // how far the last correction moved segment_d (segment_entries.cuh)
  int* cut_rounds;      // [N, HV, 2] rounds until every entry d stood still (0: not yet; −1: d not
                        // cut), segments that were left over
  long long segment;    // tokens of a segment; whole_sequence where none is cut
  long long segments;   // numbers that segments may have; the sequences where none is cut

  long long cut_d;  // fewest segments of a sequence whose d is cut, too

  float eta;
  float d_min;
  float d_max;
  float norm_eps;
  float anchor;
  float log_gamma_constant;
  float scale;
  int cu_seqlens_is_int64;
  int pass;             // which turn of a kernel that a pass launches more than once
  int preconditioners;  // CTAs of the fused Hopper kernel that precondition; 0 in other kernels
};

/// A segment's length where sequences are not cut: every sequence is one segment, whose number is its own.
inline constexpr long long whole_sequence = 1LL << 62;

/// ForwardParameters::pass of the cut preconditioner: rounds count from 0; this one takes what they left over in turn.
inline constexpr int settle_pass = -1;

/// The step kernel's. In `pass`, initial_state and initial_d are the pools that are read ([slots, HV, K, V] of the
/// state type, [slots, HV, K]) and final_state and final_d those that are written; no workspace.
struct DecodeParameters {
  ForwardParameters pass;
  const int* slots;         // [N] row of each sequence in the pools that are read, negative: padding; null: its number
  const int* output_slots;  // [N] row in the pools that are written, negative: not kept; null: the same
};

}  // namespace osdn
