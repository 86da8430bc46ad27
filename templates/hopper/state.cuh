// The state role: hᵀ of 64 value columns in the registers of a warpgroup, in fp32, from a chain's first chunk to its
// last. Every product is transposed, so that a rounded accumulator is the A operand of the next one:
//
//   Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β)      Uᵀ = Xᵀ Tᵀ      Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ)      hᵀ ← hᵀ + Uᵀ W
#pragma once

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
  const int warp;     // this warp's 16 of those
  const Shared shared;
  typename Shared::Loaded stage;
  typename Shared::Prepared slot;
  // This lane's row of the matrices that its warp reads of V and writes of O: token lane % 8 (+ 8), and its place
  // within that token's 128 bytes.
  const int matrix_row;

  HopperState(const ForwardParameters& parameters, int warpgroup)
      : p(parameters),
        columns(64 * warpgroup),
        warp(warpgroup_thread() / 32),
        matrix_row(panel_chunk(lane_id() % 8 + lane_id() / 16 * 8, 2 * warp + lane_id() / 8 % 2)) {}

  /// Rounded accumulators: the A operand of a product over their columns.
  template <int N>
  static void round(unsigned (&a)[N / 2], const float (&d)[N]) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i) a[i] = Type::pack(d[2 * i], d[2 * i + 1]);
  }

  /// f(feature, value column, element of h)
  template <class F>
  void for_each_state(float (&h)[K / 2], F f) const {
#pragma unroll
    for (int i = 0; i < K / 2; ++i) {
      f(8 * (i / 4) + lane_id() % 4 * 2 + i % 2, columns + 16 * warp + lane_id() / 4 + i / 2 % 2 * 8, h[i]);
    }
  }

  /// Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β), rounded; rows behind the end, where V is anything, are zeros.
  void make_x(unsigned (&x)[C / 4], const float (&read)[C / 2], int rows) const {
    const unsigned values = shared_address(panel()) + static_cast<unsigned>(matrix_row);
    const float* const value_factor = shared.value_factor(slot.place);
    const float* const erase_factor = shared.erase_factor(slot.place);
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      unsigned v[4];
      load_matrices_transposed(v, values + 16 * s * panel_row);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int token = 16 * s + 8 * half + lane_id() % 4 * 2;
        const float2 value = *reinterpret_cast<const float2*>(value_factor + token);
        const float2 erase = *reinterpret_cast<const float2*>(erase_factor + token);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const unsigned pair = v[2 * half + r];
          const int i = 8 * s + 4 * half + 2 * r;
          const float low = value.x * Type::to_float(static_cast<unsigned short>(pair & 0xffffU)) - erase.x * read[i];
          const float high = value.y * Type::to_float(static_cast<unsigned short>(pair >> 16)) - erase.y * read[i + 1];
          x[i / 2] = Type::pack(token < rows ? low : 0.0F, token + 1 < rows ? high : 0.0F);
        }
      }
    }
  }

  /// Uᵀ, rounded, times what W lacks: it only ever meets W.
  void round_u(unsigned (&a)[C / 4], float (&u)[C / 2]) const {
    if constexpr (write_keys_lack_norm) {
      const float* const factor = shared.write_factor(slot.place);
#pragma unroll
      for (int i = 0; i < C / 2; ++i) u[i] *= factor[8 * (i / 4) + lane_id() % 4 * 2 + i % 2];
    }
    round(a, u);
  }

  /// Writes this warp's 16 columns of O, 16 bytes a lane, by way of the place where they had V.
  void store_output(const float (&out)[C / 2], Storage* o, int rows) const {
    const unsigned matrices = shared_address(panel()) + static_cast<unsigned>(matrix_row);
    const float* const factor = shared.output_factor(slot.place);
    __syncwarp();  // all lanes have read V
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      unsigned pairs[4];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float2 f = *reinterpret_cast<const float2*>(factor + 16 * s + 8 * half + lane_id() % 4 * 2);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int i = 8 * s + 4 * half + 2 * r;
          pairs[2 * half + r] = Type::pack(out[i] * f.x, out[i + 1] * f.y);
        }
      }
      store_matrices_transposed(matrices + 16 * s * panel_row, pairs);
    }
    __syncwarp();
    const long long row_stride = static_cast<long long>(p.value_heads) * Traits::V;
    Storage* const first = o + 16 * warp + lane_id() % 2 * 8;
#pragma unroll
    for (int i = 0; i < C / 16; ++i) {
      const int row = 16 * i + lane_id() / 2;
      if (row >= rows) continue;
      *reinterpret_cast<uint4*>(first + row * row_stride) =
          *reinterpret_cast<const uint4*>(panel() + panel_chunk(row, 2 * warp + lane_id() % 2));
    }
  }
  unsigned char* panel() const {
    return shared.v(stage.place) + columns / 64 * hopper_panel;
  }

  /// One chunk: reads h, writes o, updates h.
  void step(float (&h)[K / 2], Storage* o, int rows) {
    const RowOperand<C> keys(shared.k(stage.place));
    const RowOperand<C> queries(shared.q(stage.place));
    const RowOperand<C> inverse(shared.inverse(slot.place));
    const RowOperand<C> remainder(shared.remainder(slot.place));
    const RowOperand<C> products(shared.products(slot.place));
    const ColumnOperand<C> write_keys(shared.w(slot.place, stage.place));

    unsigned state[K / 4];
    round(state, h);
    shared.full(stage.place).wait(stage.parity);
    shared.ready(slot.place).wait(slot.parity);

    float read[C / 2];  // hᵀKᵀ
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 16; ++s) wgmma<Traits::type>(read, state + 4 * s, keys(s), s > 0);
    wgmma_commit();
    wgmma_wait<0>();
    pin(read);

    unsigned x[C / 4];
    make_x(x, read, rows);
    float u[C / 2];
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < C / 16; ++s) {
      if constexpr (Shared::has_remainder) wgmma<Traits::type>(u, x + 4 * s, remainder(s), s > 0);
      wgmma<Traits::type>(u, x + 4 * s, inverse(s), s > 0 || Shared::has_remainder);
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(u);

    // hᵀQᵀ could have come with hᵀKᵀ, but its accumulators have no room beside X's and U's operands; the tensor cores
    // are busy with another warpgroup's products while this one waits.
    unsigned update[C / 4];
    round_u(update, u);
    float out[C / 2];
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 16; ++s) wgmma<Traits::type>(out, state + 4 * s, queries(s), s > 0);
#pragma unroll
    for (int s = 0; s < C / 16; ++s) wgmma<Traits::type>(out, update + 4 * s, products(s));
    wgmma_commit();
#pragma unroll
    for (int s = 0; s < C / 16; ++s) wgmma<Traits::type, 1>(h, update + 4 * s, write_keys(s));
    wgmma_commit();
    wgmma_wait<1>();
    pin(out);
    store_output(out, o, rows);
    wgmma_wait<0>();
    pin(h);

    fence_async_proxy();  // the copy engine overwrites what ordinary stores left where V was
    __syncwarp();
    if (lane_id() == 0) {
      shared.taken(slot.place).arrive();
      shared.empty(stage.place).arrive();
    }
    stage.next();
    slot.next();
  }

  void run() {
    for_each_chain<Traits>(p, [&](const Chain<Traits>& chain) {
      const long long first_column = chain.split * Shared::block_v;
      const long long offset = (chain.n * p.value_heads + chain.head) * K * Traits::V + first_column;
      float h[K / 2];
      for_each_state(h, [&](int feature, int column, float& x) {
        x = p.initial_state != nullptr ? p.initial_state[offset + feature * Traits::V + column] : 0.0F;
      });
      const long long row = static_cast<long long>(p.value_heads) * Traits::V;
      Storage* o = static_cast<Storage*>(p.o) + (chain.sequence.begin * p.value_heads + chain.head) * Traits::V +
                   first_column + columns;
#pragma unroll 1
      for (long long c = 0; c < chain.sequence.chunks; ++c) {
        step(h, o, chain.rows_of(c));
        o += C * row;
      }
      if (p.final_state != nullptr) {
        for_each_state(
            h, [&](int feature, int column, float& x) { p.final_state[offset + feature * Traits::V + column] = x; });
      }
    });
  }
};

}  // namespace osdn
