// A whole chunk of the preconditioner at once, by one warpgroup. Without the clip d is a delta rule with one value
// column (MATH in docs/math.md): the gates of a chunk solve
//
//   (I + M) z = 1 − b ⊙ [ρ S𝟏 + e^c ⊙ S (d₁ − ρ)]      M_tj = b_t μ_j ⟨s_t, s_j⟩ e^{c_t − c_{j+1}}      (j < t)
//   d' = ρ + e^{c_C} (d₁ − ρ) + Σ_j e^{c_C − c_{j+1}} μ_j z_j s_j
//
// `prepare` needs no d and may run ahead: the Gram matrix on tensor cores, M, the inverses of its diagonal blocks of 16
// rows. `step` is the serial part: two products of S with one column and the solve between them. The columns beside d
// and the gains bring bounds of every d inside the chunk along: where these keep clear of d_min and d_max, no clip can
// have bound and the affine answer is exact; elsewhere the chunk goes 16 rows at a time, clip included
// (preconditioner_exact.cuh). Every exponent is ≤ 0.
#pragma once

#include "device/warpgroup.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"
#include "squared_keys.cuh"
#include "write_scale.cuh"

namespace osdn {

/// `Group` is a Warpgroup; `Keys` gives a chunk's keys (PaddedKeys), rows behind the end as zeros.
template <class Traits, class Keys, class Group>
struct PreconditionerChunk {
  static constexpr int K = Traits::K;
  static constexpr int C = solve_chunk(Traits::chunk);
  static constexpr int blocks = C / 16;
  static constexpr int features = K / 16;                       // blocks of 16
  static constexpr int features_per_warp = (features + 3) / 4;  // warp w has blocks w, w + 4, …
  static constexpr int per_thread = (K + Group::threads - 1) / Group::threads;
  static constexpr int t_stride = C + 4;
  static constexpr int d_stride = padded(K);
  static constexpr int gain_stride = padded(C);
  static constexpr int lower = blocks * (blocks + 1) / 2;  // blocks of M
  static constexpr int passes = lower > 5 ? 2 : 1;         // over the Gram matrix: registers and shared memory
  static constexpr int pass_blocks = lower / passes;
  static constexpr bool forgets = Forgetting<Traits>::active;
  static constexpr PreconditionerChunkLayout layout = preconditioner_chunk_layout(K, C);
  static constexpr float affine_below = 2.0F;       // |M| up to which the recurrence without the clip does not grow
  static constexpr float least_log_gamma = -64.0F;  // e^-64: nothing is left, and sums keep their digits
  static_assert(!Forgetting<Traits>::per_channel, "one factor a row");
  using Squares = SquaredKeys<Traits::type>;

  const ForwardParameters& p;
  unsigned char* const ahead;   // of the chunk that is prepared or stepped through
  unsigned char* const moving;  // of d
  const float anchor;
  const Keys keys;
  const int rows;  // of the chunk that exist
  int parity = 0;

  /// One chunk, what is made ahead of d in `ahead_memory` and what moves with d in `step_memory`. Nothing is done yet.
  PreconditionerChunk(const ForwardParameters& parameters, unsigned char* ahead_memory, unsigned char* step_memory,
                      const Keys& chunk_keys, int rows_of_chunk)
      : p(parameters),
        ahead(ahead_memory),
        moving(step_memory),
        anchor(forgets ? parameters.anchor : 0.0F),
        keys(chunk_keys),
        rows(rows_of_chunk) {}

  /// Before the first chunk: columns that stay zero.
  void clear() const {
    unsigned* const columns = reinterpret_cast<unsigned*>(moving + layout.d_columns);
#pragma unroll 1
    for (int i = Group::thread(); i < (layout.reduction - layout.d_columns) / 4; i += Group::threads) columns[i] = 0;
    Group::sync();
  }

  float* t() const {
    return reinterpret_cast<float*>(ahead + layout.t);
  }
  float* table(int n) const {
    return reinterpret_cast<float*>(ahead + layout.rows) + n * C;
  }
  float* b() const {
    return table(0);
  }  // β or 1; 0 behind the end
  float* mu() const {
    return table(1);
  }  // η b / n
  float* scale() const {
    return table(2);
  }  // r of the in-kernel L2 norm
  float* squares() const {
    return table(3);
  }  // |k|² of the normed key
  float* gamma() const {
    return table(4);
  }  // γ
  float* before() const {
    return table(5);
  }  // log γ summed over the rows of the block before this one
  float* through() const {
    return table(6);
  }  // the same, this one included
  float* head() const {
    return table(7);
  }  // exp(before): from the block's first row
  float* tail() const {
    return table(8);
  }  // to the block's end, from behind this row
  float* read() const {
    return table(9);
  }  // b r²
  float* write() const {
    return table(10);
  }  // μ r²
  float* parts_of_squares() const {
    return reinterpret_cast<float*>(ahead + layout.squares);
  }
  unsigned* largest() const {
    return reinterpret_cast<unsigned*>(ahead + layout.largest);
  }
  float* decay() const {
    return reinterpret_cast<float*>(ahead + layout.largest) + 4;
  }  // of each block of 16 rows
  float* sums() const {
    return reinterpret_cast<float*>(moving + layout.sums);
  }
  float* solution() const {
    return reinterpret_cast<float*>(moving + layout.solution);
  }
  float* d() const {
    return reinterpret_cast<float*>(moving + layout.d);
  }
  unsigned short* d_columns() const {
    return reinterpret_cast<unsigned short*>(moving + layout.d_columns);
  }
  unsigned short* gains() const {
    return reinterpret_cast<unsigned short*>(moving + layout.gains);
  }
  float* reduction() const {
    return reinterpret_cast<float*>(moving + layout.reduction);
  }

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

  // ---- ahead of d: preconditioner_ahead.cuh -----------------------------------------------------------------------
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

  // ---- the serial part ------------------------------------------------------------------------------------------

  /// Moves d through the chunk and calls store(row, gain) for every row that exists, from some thread; the last call
  /// counts. d is in place behind the next barrier. One warp calls meanwhile(), once, if it can while it would wait.
  template <class Store, class Meanwhile>
  void step(Store store, Meanwhile meanwhile) {
    const bool has_time = Group::warp() == Group::warps - 1;
    if (largest_of_all() <= affine_below) {
      read_entry();
      Group::sync();
      if (Group::warp() == 0) solve_gates(store);
      if (has_time) meanwhile();
      Group::sync();
      if (carry()) return;
    } else if (has_time) {
      meanwhile();
    }
    go_by_blocks(store);
  }

  /// Each warp's part of S (d₁ − ρ), in raw squares.
  void read_entry() {
    const unsigned short* const columns = d_columns() + lane_row() * d_stride + lane_column();
    float product[blocks][4];
#pragma unroll
    for (int i = 0; i < blocks; ++i) product[i][0] = product[i][1] = product[i][2] = product[i][3] = 0.0F;
    __syncwarp();
#pragma unroll 1
    for (int n = 0; n < features_per_warp; ++n) {
      const int f = Group::warp() + n * Group::warps;
      if (is_missing(f)) break;
      const unsigned low = *reinterpret_cast<const unsigned*>(columns + 16 * f);
      const unsigned high = *reinterpret_cast<const unsigned*>(columns + 16 * f + 8);
#pragma unroll
      for (int i = 0; i < blocks; ++i) multiply_columns(product[i], Squares(keys.block(i, f)), low, high);
    }
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      const float upper = sum_of_parts(product[i][0], product[i][1]);
      const float below = sum_of_parts(product[i][2], product[i][3]);
      if (lane_id() % 4 == 0) {
        sums()[Group::warp() * C + 16 * i + lane_row()] = upper;
        sums()[Group::warp() * C + 16 * i + lane_row() + 8] = below;
      }
    }
  }

  /// The sum of a row's columns 0, 1 and 2, in the quad's lanes 0 and 1: these hold columns 0, 1 and 2, 3.
  static float sum_of_parts(float even, float odd) {
    const float own = lane_id() % 4 == 0 ? even + odd : even;
    return own + __shfl_xor_sync(all_lanes, own, 1);
  }

  /// One warp: z and what follows from it; lane l has rows l and l + 32. Block after block: its gates by its inverse,
  /// then what they take from the right sides of the rows below.
  template <class Store>
  void solve_gates(Store store) {
    constexpr int per_lane = (C + 31) / 32;
    float z[per_lane];
#pragma unroll
    for (int n = 0; n < per_lane; ++n) z[n] = row_of(n) < C ? right_side(row_of(n)) : 0.0F;
#pragma unroll 1
    for (int block = 0; block < blocks; ++block) {
      float* const x = solution() + 16 * block;
#pragma unroll
      for (int pass = 0; pass < 2; ++pass) {  // the block's own rows, then those below
#pragma unroll
        for (int n = 0; n < per_lane; ++n) {
          if (row_of(n) / 16 == block) solution()[row_of(n)] = z[n];
        }
        __syncwarp();
#pragma unroll
        for (int n = 0; n < per_lane; ++n) {
          const int place = row_of(n) / 16;
          if (pass == 0 ? place != block : place <= block || row_of(n) >= C) continue;
          const float sum = dot_16(t() + row_of(n) * t_stride + 16 * block, x);
          z[n] = pass == 0 ? sum : z[n] - sum;
        }
        __syncwarp();
      }
    }
#pragma unroll
    for (int n = 0; n < per_lane; ++n) {
      const int i = row_of(n);
      if (i >= C) continue;
      if (i < rows) store(i, mu()[i] * z[n]);
      set_gain(i, write()[i] * z[n]);
    }
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

  /// 1 − b (ρ |k|² + e^{c_t} ⟨s_t, d₁ − ρ⟩)
  float right_side(int i) const {
    float sum = (sums()[i] + sums()[C + i]) + (sums()[2 * C + i] + sums()[3 * C + i]);
    if constexpr (forgets) {
      sum *= head()[i];
#pragma unroll
      for (int m = 0; m < blocks - 1; ++m) sum *= m < i / 16 ? decay()[m] : 1.0F;
    }
    return 1.0F - fmaf(read()[i], sum, b()[i] * (anchor * squares()[i]));
  }

  /// Row i's gain as columns of an operand: what is left of it at the chunk's end in three numbers, then the whole of
  /// it among those that raise d and those that lower it.
  void set_gain(int i, float gain) {
    float left = gain;
    if constexpr (forgets) {
      left *= tail()[i];
#pragma unroll
      for (int m = 1; m < blocks; ++m) left *= m > i / 16 ? decay()[m] : 1.0F;
    }
    unsigned short* const column = gains() + i;
#pragma unroll
    for (int n = 0; n < 3; ++n) {
      column[n * gain_stride] = Element<ElementType::bf16>::from_float(left);
      left -= Element<ElementType::bf16>::to_float(column[n * gain_stride]);
    }
    column[3 * gain_stride] = Element<ElementType::bf16>::from_float(fmaxf(gain, 0.0F));
    column[4 * gain_stride] = Element<ElementType::bf16>::from_float(fminf(gain, 0.0F));
  }

  /// d behind the chunk without the clip. True, and d moved, if the clip cannot have bound on the way.
  bool carry() {
    const unsigned short* const columns = gains() + lane_row() * gain_stride + lane_column();
    unsigned gain[blocks][2];
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      gain[i][0] = *reinterpret_cast<const unsigned*>(columns + 16 * i);
      gain[i][1] = *reinterpret_cast<const unsigned*>(columns + 16 * i + 8);
    }
    float forgotten = 1.0F;
    if constexpr (forgets) {
#pragma unroll
      for (int m = 0; m < blocks; ++m) forgotten *= decay()[m];
    }
    float moved[features_per_warp][2];
    bool clear = true;
#pragma unroll
    for (int n = 0; n < features_per_warp; ++n) {
      const int f = Group::warp() + n * Group::warps;
      if (is_missing(f)) continue;
      float product[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}};  // two, so that half as many wait for each other
#pragma unroll
      for (int i = 0; i < blocks; ++i) {
        multiply_columns(product[i % 2], Squares(keys.transposed(i, f)), gain[i][0], gain[i][1]);
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float even = product[0][2 * half] + product[1][2 * half];
        const float odd = product[0][2 * half + 1] + product[1][2 * half + 1];
        const float change = sum_of_parts(even, odd);
        const float fall = 1.01F * __shfl_xor_sync(all_lanes, even, 3);  // lane 1 of the quad has the rest
        const float rise = 1.01F * odd;                                  // bounds were rounded to eight bits
        const float entry = d()[16 * f + 8 * half + lane_row()] - anchor;
        const float exit = forgotten * entry;
        moved[n][half] = anchor + (exit + change);
        const bool inside = fmaxf(entry, exit) + rise <= p.d_max - anchor &&
                            fminf(entry, exit) + fall >= p.d_min - anchor && moved[n][half] == moved[n][half];
        clear = clear && (lane_id() % 4 != 1 || inside);
      }
    }
    if (Group::any(!clear)) return false;
    if (lane_id() % 4 == 1) {
#pragma unroll
      for (int n = 0; n < features_per_warp; ++n) {
        const int f = Group::warp() + n * Group::warps;
        if (is_missing(f)) continue;
        set_d(16 * f + lane_row(), moved[n][0]);
        set_d(16 * f + lane_row() + 8, moved[n][1]);
      }
    }
    return true;
  }

  // ---- with the clip: preconditioner_exact.cuh --------------------------------------------------------------------

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
