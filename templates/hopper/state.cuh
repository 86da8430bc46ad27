// The state role: hᵀ of 64 value columns in the registers of a warpgroup, in fp32, from a chain's first chunk to its
// last. Every product is transposed, so that a rounded accumulator is the A operand of the next one:
//
//   Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β)      Uᵀ = Xᵀ Tᵀ      Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ)      hᵀ ← hᵀ + Uᵀ W
#pragma once

#include "checkpoints.cuh"
#include "device/bulk_copy.cuh"
#include "device/element.cuh"
#include "device/matrices.cuh"
#include "device/swizzle.cuh"
#include "device/warpgroup.cuh"
#include "device/wgmma.cuh"
#include "hopper/chain.cuh"
#include "recurrence.cuh"

namespace osdn {

template <class Traits>
struct HopperState {
  using Shared = HopperShared<Traits>;
  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;
  static constexpr int C = Traits::chunk;
  static constexpr int K = Traits::K;
  static constexpr bool write_keys_lack_norm = Traits::qk_l2norm && !Shared::preconditioned;
  static_assert(!Recurrence<Traits>::decays, "only states without decay are filled in");

  const ForwardParameters& p;
  const int columns;  // which 64 of the CTA's value columns
  const Shared shared;
  typename Shared::Loaded stage;
  typename Shared::Prepared slot;

  HopperState(const ForwardParameters& parameters, int warpgroup) : p(parameters), columns(64 * warpgroup) {}

  /// Where a lane works, made anew wherever it is needed: registers are scarcer here than instructions.
  struct Place {
    int lane;
    int warp;  // of its warpgroup: this warp's 16 of the value columns
    Place() {
      int thread;
      asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
      lane = thread % 32;
      warp = thread / 32 % 4;
    }
    /// This lane's row of the matrices that its warp reads of V and writes of O: token lane % 8 (+ 8), and its place
    /// within that token's 128 bytes.
    int matrix_row() const { return panel_chunk(lane % 8 + lane / 16 * 8, 2 * warp + lane / 8 % 2); }
    int token() const { return lane % 4 * 2; }
  };

  /// Rounded accumulators: the A operand of a product over their columns.
  template <int N>
  static void round(unsigned (&a)[N / 2], const float (&d)[N]) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i) a[i] = Type::pack(d[2 * i], d[2 * i + 1]);
  }

  /// The same for half of the operand. Packed the other way round and turned: were it the very instruction that `round`
  /// uses, the assembler would keep the whole first operand in registers until here.
  template <int half>
  static void round_half_again(unsigned (&a)[K / 8], const float (&h)[K / 2]) {
#pragma unroll
    for (int i = 0; i < K / 8; ++i) {
      a[i] = __byte_perm(Type::pack(h[half * K / 4 + 2 * i + 1], h[half * K / 4 + 2 * i]), 0, 0x1032);
    }
  }

  /// Calls f(index in h, where its element lies in a state) for a lane's elements, counted from the lane's first one:
  /// constants, so that one address serves all of them.
  template <class F>
  static void for_each_state(F f) {
#pragma unroll
    for (int i = 0; i < K / 2; ++i) f(i, (8 * (i / 4) + i % 2) * Traits::V + i / 2 % 2 * 8);
  }
  int first_of_lane() const {
    const Place at;
    return at.token() * Traits::V + columns + 16 * at.warp + at.lane / 4;
  }

  /// Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β), rounded.
  void make_x(unsigned (&x)[C / 4], const float (&read)[C / 2]) const {
    const Place at;
    const unsigned values = shared_address(panel()) + static_cast<unsigned>(at.matrix_row());
    const float* const value_factor = shared.value_factor(slot.place());
    const float* const erase_factor = shared.erase_factor(slot.place());
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      unsigned v[4];
      load_matrices_transposed(v, values + 16 * s * panel_row);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int token = 16 * s + 8 * half + at.token();
        const float2 value = *reinterpret_cast<const float2*>(value_factor + token);
        const float2 erase = *reinterpret_cast<const float2*>(erase_factor + token);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const unsigned pair = v[2 * half + r];
          const int i = 8 * s + 4 * half + 2 * r;
          const float low = value.x * Type::to_float(static_cast<unsigned short>(pair & 0xffffU)) - erase.x * read[i];
          const float high = value.y * Type::to_float(static_cast<unsigned short>(pair >> 16)) - erase.y * read[i + 1];
          x[i / 2] = Type::pack(low, high);
        }
      }
    }
  }

  /// Uᵀ, rounded, times what W lacks: it only ever meets W.
  void round_u(unsigned (&a)[C / 4], float (&u)[C / 2]) const {
    if constexpr (write_keys_lack_norm) {
      const float* const factor = shared.write_factor(slot.place()) + Place().token();
#pragma unroll
      for (int i = 0; i < C / 2; ++i) u[i] *= factor[8 * (i / 4) + i % 2];
    }
    round(a, u);
  }

  /// Writes this warp's 16 columns of O, 16 bytes a lane, by way of the place where they had V.
  void store_output(const float (&out)[C / 2], Storage* o, int rows) const {
    const Place at;
    const unsigned matrices = shared_address(panel()) + static_cast<unsigned>(at.matrix_row());
    const float* const factor = shared.output_factor(slot.place());
    __syncwarp();  // all lanes have read V
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      unsigned pairs[4];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float2 f = *reinterpret_cast<const float2*>(factor + 16 * s + 8 * half + at.token());
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int i = 8 * s + 4 * half + 2 * r;
          pairs[2 * half + r] = Type::pack(out[i] * f.x, out[i + 1] * f.y);
        }
      }
      store_matrices_transposed(matrices + 16 * s * panel_row, pairs);
    }
    __syncwarp();
    const long long row_stride = p.o_strides.token;
    const int first = at.lane / 2;
    o += 16 * at.warp + at.lane % 2 * 8 + first * row_stride;
    const unsigned char* const from = panel() + panel_chunk(first, 2 * at.warp + at.lane % 2);
#pragma unroll
    for (int i = 0; i < C / 16; ++i) {
      if (16 * i + first < rows)
        *reinterpret_cast<uint4*>(o) = *reinterpret_cast<const uint4*>(from + 16 * i * panel_row);
      o += 16 * row_stride;
    }
  }
  unsigned char* panel() const {
    return shared.v(stage.place()) + columns / 64 * hopper_panel;
  }

  /// One chunk: reads h, writes o, updates h.
  void step(float (&h)[K / 2], Storage* o, int rows) {
    const RowOperand<C> keys(shared.k(stage.place()));
    const RowOperand<C> queries(shared.q(stage.place()));
    const RowOperand<C> inverse(shared.inverse(slot.place()));
    const RowOperand<C> remainder(shared.remainder(slot.place()));
    const RowOperand<C> products(shared.products(slot.place()));
    const ColumnOperand<C> write_keys(shared.w(slot.place(), stage.place()));

    unsigned state[K / 4];
    round(state, h);
    shared.full(stage.place()).wait(stage.parity());
    shared.ready(slot.place()).wait(slot.parity());

    float sum[C / 2];  // hᵀKᵀ, then Uᵀ, then Oᵀ: one set of registers for all three
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 16; ++s) wgmma<Traits::type>(sum, state + 4 * s, keys(s), s > 0);
    wgmma_commit();
    wgmma_wait<0>();
    pin(sum);

    unsigned x[C / 4];
    make_x(x, sum);
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      if constexpr (Shared::has_remainder) wgmma<Traits::type>(sum, x + 4 * s, remainder(s), s > 0);
      wgmma<Traits::type>(sum, x + 4 * s, inverse(s), s > 0 || Shared::has_remainder);
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(sum);

    // hᵀQᵀ could have come with hᵀKᵀ, but there are no registers for its accumulators beside X's and U's operands, nor
    // for all of its own operand; the tensor cores are busy with another warpgroup's products while this one waits.
    unsigned update[C / 4];
    round_u(update, sum);
    unsigned part[K / 8];
    round_half_again<0>(part, h);
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 32; ++s) wgmma<Traits::type>(sum, part + 4 * s, queries(s), s > 0);
#pragma unroll
    for (int s = 0; s < C / 16; ++s) wgmma<Traits::type>(sum, update + 4 * s, products(s));
    wgmma_commit();
    wgmma_wait<0>();
    pin(sum);
    round_half_again<1>(part, h);
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 32; ++s) wgmma<Traits::type>(sum, part + 4 * s, queries(s + K / 32));
    wgmma_commit();
#pragma unroll
    for (int s = 0; s < C / 16; ++s) wgmma<Traits::type, 1>(h, update + 4 * s, write_keys(s));
    wgmma_commit();
    wgmma_wait<1>();
    pin(sum);
    store_output(sum, o, rows);
    wgmma_wait<0>();
    pin(h);

    fence_async_proxy();  // the copy engine overwrites what ordinary stores left where V was
    __syncwarp();
    if (Place().lane == 0) {
      shared.taken(slot.place()).arrive();
      shared.empty(stage.place()).arrive();
    }
    stage.next();
    slot.next();
  }

  /// Where the state of a chain of sequence or segment `item` lies, from the first of the CTA's value columns on.
  long long state_offset(const Chain<Traits>& chain, long long item) const {
    return (item * p.value_heads + chain.head) * K * Traits::V + chain.split * Shared::block_v;
  }

  /// The state that a chain begins with; null: zeros.
  const float* entry_state(const Chain<Traits>& chain) const {
    if (Traits::segmented && p.segment_states != nullptr) return p.segment_states + state_offset(chain, chain.segment);
    return p.initial_state == nullptr ? nullptr : p.initial_state + state_offset(chain, chain.n);
  }

  /// Keeps the state behind the chunk at whose start `left` tokens were to come, as a checkpoint or as the final one:
  /// one piece of code for both.
  void store_states(float (&h)[K / 2], unsigned number, int left) const {
    const Chain<Traits> chain(p, forgotten(number));
#pragma unroll 1
    for (int kept = 0; kept < 2; ++kept) {
      float* const to = kept == 0 ? checkpoint(chain, left) : final_state(chain, left);
      if (to == nullptr) continue;
      for_each_state([&](int i, int place) { to[place] = h[i]; });
    }
  }
  float* checkpoint(const Chain<Traits>& chain, int left) const {
    if (p.checkpoint_chunks == 0 || left <= 0) return nullptr;
    const long long done = chain.tokens - left + C;
    const long long row = checkpoint_due<C>(p, chain.sequence, done);
    if (row < 0) return nullptr;
    if (columns == 0 && chain.split == 0) {
      store_checkpoint_d<Traits>(p, chain.sequence, chain.head, done, row, warpgroup_thread(), 128);
    }
    if (p.checkpoint_state == nullptr) return nullptr;
    return static_cast<float*>(p.checkpoint_state) + state_offset(chain, row) + first_of_lane();
  }
  float* final_state(const Chain<Traits>& chain, int left) const {
    if (p.final_state == nullptr || left > C || (Traits::segmented && !chain.is_last)) return nullptr;
    return p.final_state + state_offset(chain, chain.n) + first_of_lane();
  }

  void run() {
    for_each_chain<Traits>(p, [&](unsigned number) {
      float h[K / 2];
      Storage* o;
      int left;
      {
        const Chain<Traits> chain(p, number);
        if (Traits::segmented && !chain.exists) return;
        if (const float* from = entry_state(chain); from != nullptr) {
          from += first_of_lane();
          for_each_state([&](int i, int place) { h[i] = from[place]; });
        } else {
          for_each_state([&](int i, int) { h[i] = 0.0F; });
        }
        o = first_row(static_cast<Storage*>(p.o), p.o_strides, chain.sequence, chain.head) +
            chain.split * Shared::block_v + columns;
        left = chain.tokens;
      }
#pragma unroll 1
      for (bool ends = false; !ends; left -= C) {
        ends = left <= C;
        if (left > 0) step(h, o, left);
        o += C * p.o_strides.token;
        if (ends || p.checkpoint_chunks != 0) store_states(h, number, left);
      }
    });
  }
};

}  // namespace osdn
