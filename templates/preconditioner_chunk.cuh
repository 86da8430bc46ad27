// A whole chunk of the preconditioner at once, by one warpgroup. Without the clip d is a delta rule with one value
// column (MATH in docs/math.md): the gates of a chunk solve
//
//   (I + M) z = 1 − b ⊙ [ρ S𝟏 + e^c ⊙ S (d₁ − ρ)]      M_tj = b_t μ_j ⟨s_t, s_j⟩ e^{c_t − c_{j+1}}      (j < t)
//   d' = ρ + e^{c_C} (d₁ − ρ) + Σ_j e^{c_C − c_{j+1}} μ_j z_j s_j
//
// `prepare` needs no d and may run ahead (preconditioner_ahead.cuh): the Gram matrix on tensor cores, M, the inverses
// of its diagonal blocks of 16 rows. `step` is the serial part (preconditioner_step.cuh): two products of S with one
// column and the solve between them. It brings bounds of every d inside the chunk along: where these keep clear of
// d_min and d_max, no clip can have bound and the affine answer is exact; elsewhere the chunk goes 16 rows at a time,
// clip included (preconditioner_exact.cuh). Every exponent is ≤ 0.
#pragma once

#include "device/warpgroup.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "preconditioner_memory.cuh"
#include "sequence.cuh"
#include "squared_keys.cuh"
#include "write_scale.cuh"

namespace osdn {

/// `Group` is a Warpgroup; `Keys` gives a chunk's keys (PaddedKeys), rows behind the end as zeros.
template <class Traits, class Keys, class Group>
struct PreconditionerChunk : PreconditionerMemory<Traits> {
  using Memory = PreconditionerMemory<Traits>;
  using Memory::ahead, Memory::moving, Memory::layout, Memory::t_stride, Memory::d_stride, Memory::gain_stride;
  using Memory::b, Memory::mu, Memory::scale, Memory::squares, Memory::gamma, Memory::read, Memory::write, Memory::t;
  using Memory::before, Memory::through, Memory::head, Memory::tail, Memory::decay;
  using Memory::d, Memory::d_columns, Memory::gains, Memory::solution;
  using Memory::largest, Memory::parts_of_squares, Memory::reduction, Memory::sums;

  static constexpr int K = Traits::K;
  static constexpr int C = Memory::C;
  static constexpr int blocks = C / 16;
  static constexpr int features = K / 16;                       // blocks of 16
  static constexpr int features_per_warp = (features + 3) / 4;  // warp w has blocks w, w + 4, …
  static constexpr int per_thread = (K + Group::threads - 1) / Group::threads;
  static constexpr int lower = blocks * (blocks + 1) / 2;  // blocks of M
  static constexpr int passes = lower > 5 ? 2 : 1;         // over the Gram matrix: registers and shared memory
  static constexpr int pass_blocks = lower / passes;
  static constexpr bool forgets = Forgetting<Traits>::active;
  static constexpr float affine_below = 2.0F;       // |M| up to which the recurrence without the clip does not grow
  static constexpr float least_log_gamma = -64.0F;  // e^-64: nothing is left, and sums keep their digits
  static_assert(!Forgetting<Traits>::per_channel, "one factor a row");
  using Squares = SquaredKeys<Traits::type>;

  const ForwardParameters& p;
  const float anchor;
  const Keys keys;
  const int rows;  // of the chunk that exist
  int parity = 0;

  /// One chunk, what is made ahead of d in `ahead_memory` and what moves with d in `step_memory`. Nothing is done yet.
  PreconditionerChunk(const ForwardParameters& parameters, unsigned char* ahead_memory, unsigned char* step_memory,
                      const Keys& chunk_keys, int rows_of_chunk)
      : Memory{ahead_memory, step_memory},
        p(parameters),
        anchor(forgets ? parameters.anchor : 0.0F),
        keys(chunk_keys),
        rows(rows_of_chunk) {}

  /// What a row brings beside its key; thread i loads row i's.
  struct RowInputs {
    float b;
    float log_gamma;
  };
  static RowInputs load_row(const ForwardParameters& p, const Sequence& sequence, long long first_token, int head,
                            int rows) {
    const int row = Group::thread();
    if (row >= rows) return {0.0F, 0.0F};
    const long long token = first_token + row;
    return {Traits::beta_aware ? load_beta<Traits>(p, sequence, token, head) : 1.0F,
            forgets ? log_forgetting<Traits>(p, sequence, token, head) : 0.0F};
  }

  /// Before the first chunk: columns that stay zero.
  void clear() const {
    unsigned* const columns = reinterpret_cast<unsigned*>(moving + layout.d_columns);
#pragma unroll 1
    for (int i = Group::thread(); i < (layout.reduction - layout.d_columns) / 4; i += Group::threads) columns[i] = 0;
    Group::sync();
  }

  /// Sets a feature of d. All threads that read it meet at a barrier first.
  void set_d(int feature, float value) {
    d()[feature] = value;
    unsigned short* const column = d_columns() + feature;
    float left = value - anchor;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      column[i * d_stride] = Element<ElementType::bf16>::from_float(left);
      left -= Element<ElementType::bf16>::to_float(column[i * d_stride]);
    }
  }

  /// Calls f(slot, feature) for the features that this thread goes through token by token.
  template <class F>
  static void for_each_feature(F f) {
#pragma unroll
    for (int slot = 0; slot < per_thread; ++slot) {
      const int feature = Group::thread() + slot * Group::threads;
      if (feature < K) f(slot, feature);
    }
  }

  // ---- ahead of d: preconditioner_ahead.cuh

  /// Begins behind a barrier after the last step that used the same memory; ends with one.
  void prepare(const RowInputs& row);
  void make_decays(const RowInputs& row);
  void make_row(float row_b);
  template <int pass>
  void make_gram(float2 (&gram)[lower]);
  void make_system(const float2 (&gram)[lower]);
  static constexpr unsigned lanes_of_rows() {
    return C < 32 ? 0xffffU : all_lanes;
  }

  /// Whether a warp's block of features does not exist; where the warps share them evenly, this asks nothing.
  static bool is_missing(int f) {
    return features % Group::warps != 0 && f >= features;
  }

  // Block n of the lower triangle, row by row.
  static constexpr int block_row(int n) {
    return n < 1 ? 0 : n < 3 ? 1 : n < 6 ? 2 : 3;
  }
  static constexpr int block_column(int n) {
    return n - block_row(n) * (block_row(n) + 1) / 2;
  }

  static float2 pair(const float* table, int i) {
    return *reinterpret_cast<const float2*>(table + i);
  }
  float largest_of_all() const {
    const unsigned* const most = largest();
    return __uint_as_float(max(max(most[0], most[1]), max(most[2], most[3])));
  }

  // ---- the serial part: preconditioner_step.cuh

  /// Moves d through the chunk and calls store(row, gain) for every row that exists, from some thread; the last call
  /// counts. d is in place behind the next barrier. One warp calls meanwhile(), once, if it can while it would wait.
  template <class Store, class Meanwhile>
  void step(Store store, Meanwhile meanwhile);
  void read_entry();
  template <class Store>
  void solve_gates(Store store);
  float right_side(int i) const;
  void set_gain(int i, float gain);
  bool carry();

  /// The sum of a row's columns 0, 1 and 2, in the quad's lanes 0 and 1: these hold columns 0, 1 and 2, 3.
  static float sum_of_parts(float even, float odd) {
    const float own = lane_id() % 4 == 0 ? even + odd : even;
    return own + __shfl_xor_sync(all_lanes, own, 1);
  }

  static int row_of(int n) {
    return lane_id() + 32 * n;
  }

  static float dot_16(const float* a, const float* x) {
    float sum[4] = {0, 0, 0, 0};
#pragma unroll
    for (int j = 0; j < 16; j += 4) {
      const float4 m = *reinterpret_cast<const float4*>(a + j);
      const float4 y = *reinterpret_cast<const float4*>(x + j);
      sum[0] = fmaf(m.x, y.x, sum[0]);
      sum[1] = fmaf(m.y, y.y, sum[1]);
      sum[2] = fmaf(m.z, y.z, sum[2]);
      sum[3] = fmaf(m.w, y.w, sum[3]);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }

  // ---- with the clip: preconditioner_exact.cuh

  template <class Store>
  void go_by_blocks(Store store);
  bool replay(float (&moved)[per_thread], float gain, int first_row, float low, float high, float (&x)[16]);
  float go_by_tokens(float (&moved)[per_thread], int first_row);
  const float* show_rows(float of_row) const;
  float sum_16(float (&x)[16]);
  float squared_key(int row, int feature) const {
    const float key = keys.element(row, feature) * (Traits::qk_l2norm ? scale()[row] : 1.0F);
    return key * key;
  }
};

}  // namespace osdn
