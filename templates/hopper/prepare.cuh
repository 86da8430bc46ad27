// The prepare role: everything of a chunk that does not need the state, one or two chunks ahead of it.
//
//   W = d ⊙ K      L = tril₋₁(Diag(β) K Wᵀ)      P = tril(Q Wᵀ)
//
// One warpgroup; (I + L)⁻¹ is made beside it (invert.cuh). K and Q are as stored; with an in-kernel L2 norm, factors go
// where delta_rule.cuh says.
#pragma once

#include "device/bulk_copy.cuh"
#include "device/element.cuh"
#include "device/matrices.cuh"
#include "device/swizzle.cuh"
#include "device/tensor.cuh"
#include "device/warpgroup.cuh"
#include "device/wgmma.cuh"
#include "hopper/chain.cuh"
#include "recurrence.cuh"
#include "write_scale.cuh"

namespace osdn {

template <class Traits>
struct HopperPreparation {
  using Shared = HopperShared<Traits>;
  using Group = Warpgroup<1>;
  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;
  using Family = Recurrence<Traits>;
  static constexpr int C = Traits::chunk;
  static constexpr int K = Traits::K;
  static constexpr bool preconditioned = Shared::preconditioned;
  static constexpr bool has_gamma = preconditioned && Forgetting<Traits>::active && !Forgetting<Traits>::per_channel;
  static constexpr int stride = Shared::layout.system_stride;

  const ForwardParameters& p;
  const Shared shared;
  typename Shared::Loaded stage;
  typename Shared::Prepared slot;

  /// What this thread fetches of a chunk, the numbers of one row and one feature: loaded a chunk ahead.
  struct Inputs {
    float beta;
    float gain;
    float gamma;
    float d;
  };

  explicit HopperPreparation(const ForwardParameters& parameters) : p(parameters) {}

  static Storage& element(unsigned char* panels, int row, int column) {
    return *reinterpret_cast<Storage*>(panels + panel_offset<C>(row, column));
  }

  /// Rows behind the end get what leaves everything as it is.
  Inputs fetch(const Chain<Traits>& chain, int first) const {
    Inputs in{0.0F, 0.0F, 1.0F, 1.0F};
    if (first >= chain.tokens) return in;
    const int thread = Group::thread();
    const long long token = chain.begin + first + thread;
    if (thread < C && first + thread < chain.tokens) {
      in.beta = load_beta<Traits>(p, token, chain.head);
      if constexpr (preconditioned) in.gain = p.gain[chain.head * all_tokens(p) + token];
      if constexpr (has_gamma) in.gamma = Forgetting<Traits>::gamma(p, token, chain.head);
    }
    if constexpr (preconditioned) {
      const long long number = chain.head * all_chunks<C>(p) + chain.first_chunk + first / C;
      if (thread < K) in.d = p.d_chunks[number * K + thread];
    }
    return in;
  }

  /// Zeros behind the end: rows of K and V meet numbers of this sequence in products, so they must not be another's.
  template <int Columns>
  static void clear_tail(unsigned char* panels, int rows) {
    constexpr int chunks = Columns / 8;
    for (int i = rows * chunks + Group::thread(); i < C * chunks; i += Group::threads) {
      *reinterpret_cast<uint4*>(panels + panel_offset<C>(i / chunks, i % chunks * 8)) = uint4{0, 0, 0, 0};
    }
  }

  /// The in-kernel norm's factors of a warp's 16 rows: the diagonal of the rows' own Gram matrix, whose operands are
  /// the same registers twice. `store(row, factor)` is called once a row.
  template <class F>
  static void norm_scales(const unsigned char* panels, F store) {
    const int row = 16 * Group::warp() + lane_id() % 16;
    const unsigned rows = shared_address(panels) + row * panel_row;
    float first[4] = {0, 0, 0, 0};
    float second[4] = {0, 0, 0, 0};
#pragma unroll
    for (int s = 0; s < K / 16; ++s) {
      unsigned a[4];
      load_matrices(a, rows + s / 4 * hopper_panel + (((2 * s % 8 + lane_id() / 16) ^ (row & 7)) << 4));
      mma_16x8x16<Traits::type>(first, a, a[0], a[2]);   // with rows 0 … 7 as columns
      mma_16x8x16<Traits::type>(second, a, a[1], a[3]);  // with rows 8 … 15
    }
    const int g = lane_id() / 4;
    if (lane_id() % 4 != g / 2) return;
    store(16 * Group::warp() + g, l2_norm_scale<Traits>(g % 2 == 0 ? first[0] : first[1]));
    store(16 * Group::warp() + g + 8, l2_norm_scale<Traits>(g % 2 == 0 ? second[2] : second[3]));
  }

  /// What each token has one of.
  void make_rows(const Inputs& in, int rows, unsigned char* k, unsigned char* q) const {
    const int i = Group::thread();
    float* const key_scale = shared.write_factor(slot.place());  // at first
    if constexpr (Traits::qk_l2norm) {
      norm_scales(k, [&](int row, float factor) { key_scale[row] = factor; });
      norm_scales(q, [&](int row, float factor) { shared.output_factor(slot.place())[row] = p.scale * factor; });
      Group::sync();
    }
    if (i < C) {
      const float key = Traits::qk_l2norm ? key_scale[i] : 1.0F;
      shared.value_factor(slot.place())[i] = Family::value_coefficient(in.beta);
      shared.erase_factor(slot.place())[i] = Family::erase_coefficient(in.beta) * key;
      if constexpr (!Traits::qk_l2norm) shared.output_factor(slot.place())[i] = p.scale;
      // A write key gets its norm here; DeltaNet's are K as stored. One behind the end is zero.
      if constexpr (preconditioned) {
        shared.steps()[i] = {i < rows ? key : 0.0F, in.gain * (key * key), in.gamma, p.anchor * (1.0F - in.gamma)};
      }
    }
    Group::sync();
  }

  /// W = d ⊙ K, by replaying d through the chunk: a feature a thread. A step is write_scale.cuh's `advance` with all
  /// that does not depend on d ahead of it: d ← clip(γ d + (ρ (1 − γ) + gain s)).
  void make_write_keys(float d, const Chain<Traits>& chain, int token, int rows, unsigned char* k,
                       unsigned char* w) const {
    if constexpr (!preconditioned) return;
    const int feature = Group::thread();
    if (feature >= K) return;
    const int column = panel_offset<C>(0, feature);
#pragma unroll 1
    for (int first = 0; first < C; first += 8) {
      // All of them before the first store, which might go where they come from for all the compiler knows.
      float keys[8];
      float4 steps[8];
#pragma unroll
      for (int j = 0; j < 8; ++j) {  // row first + j swizzles as row j
        keys[j] = Type::to_float(*reinterpret_cast<const Storage*>(k + j * panel_row + (column ^ (j << 4))));
        steps[j] = shared.steps()[first + j];
      }
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const float key = keys[j];
        *reinterpret_cast<Storage*>(w + j * panel_row + (column ^ (j << 4))) = Type::from_float(d * steps[j].x * key);
        float gamma = steps[j].z;
        float drift = steps[j].w;
        if constexpr (Forgetting<Traits>::per_channel) {
          const int i = first + j;
          if (i < rows) gamma = Forgetting<Traits>::gamma(p, chain.begin + token + i, chain.head, feature);
          drift = p.anchor * (1.0F - gamma);
        }
        const float moved = steps[j].y * (key * key);
        d = Forgetting<Traits>::active ? fmaf(gamma, d, moved + drift) : d + moved;
        d = clip(d, p.d_min, p.d_max);
      }
      k += 8 * panel_row;
      w += 8 * panel_row;
    }
  }

  /// L_ij = β_i ⟨k_i, w_j⟩ for j < i in fp32, P_ij = ⟨q_i, w_j⟩ for j ≤ i as the state's operand.
  void make_products(unsigned char* k, unsigned char* q, unsigned char* w) const {
    const RowOperand<C> keys(k);
    const RowOperand<C> queries(q);
    const RowOperand<C> write_keys(w);
    float l[C / 2];
    float qw[C / 2];
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < K / 16; ++s) wgmma<Traits::type>(l, keys(s), write_keys(s), s > 0);
    wgmma_commit();
#pragma unroll
    for (int s = 0; s < K / 16; ++s) wgmma<Traits::type>(qw, queries(s), write_keys(s), s > 0);
    wgmma_commit();
    wgmma_wait<1>();
    pin(l);
    store_system(l);
    wgmma_wait<0>();
    pin(qw);
    store_products(qw);
  }

  void store_system(const float (&l)[C / 2]) const {
    const float* erase = shared.erase_factor(slot.place());
    const float* write = shared.write_factor(slot.place());  // what W lacks of the norm; DeltaNet's does
    constexpr bool lacks = Traits::qk_l2norm && !preconditioned;
    const int row = 16 * Group::warp() + lane_id() / 4;
#pragma unroll
    for (int j = 0; j < C / 8; ++j) {
      if (j / 2 > Group::warp()) continue;  // above the diagonal nobody reads
      const int column = 8 * j + lane_id() % 4 * 2;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int i = row + 8 * r;
        float2 pair;
        pair.x = column < i ? l[4 * j + 2 * r] * (lacks ? erase[i] * write[column] : erase[i]) : 0.0F;
        pair.y = column + 1 < i ? l[4 * j + 2 * r + 1] * (lacks ? erase[i] * write[column + 1] : erase[i]) : 0.0F;
        *reinterpret_cast<float2*>(shared.system(slot.place()) + i * stride + column) = pair;
      }
    }
  }

  void store_products(const float (&qw)[C / 2]) const {
    unsigned char* const products = shared.products(slot.place());
    const int row = 16 * Group::warp() + lane_id() / 4;
#pragma unroll
    for (int j = 0; j < C / 8; ++j) {
      const int column = 8 * j + lane_id() % 4 * 2;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int i = row + 8 * r;
        const float low = column <= i ? qw[4 * j + 2 * r] : 0.0F;
        const float high = column + 1 <= i ? qw[4 * j + 2 * r + 1] : 0.0F;
        *reinterpret_cast<unsigned*>(products + panel_chunk(i, j) + lane_id() % 4 * 4) = Type::pack(low, high);
      }
    }
  }

  void prepare(const Chain<Traits>& chain, int token, const Inputs& in) {
    const int rows = chain.tokens - token < C ? chain.tokens - token : C;
    unsigned char* const k = shared.k(stage.place());
    unsigned char* const q = shared.q(stage.place());
    unsigned char* const w = shared.w(slot.place(), stage.place());
    shared.full(stage.place()).wait(stage.parity());
    shared.taken(slot.place()).wait(slot.parity() ^ 1);
    if (rows < C) {
      clear_tail<K>(k, rows);
      clear_tail<Shared::block_v>(shared.v(stage.place()), rows);
      Group::sync();
    }
    make_rows(in, rows, k, q);
    make_write_keys(in.d, chain, token, rows, k, w);
    fence_async_proxy();
    Group::sync();
    make_products(k, q, w);
    if (lane_id() == 0) shared.empty(stage.place()).arrive();
    fence_async_proxy();
    Group::sync();
    if (Group::thread() == 0) {
      shared.posed(slot.place()).arrive();
      shared.ready(slot.place()).arrive();
    }
    stage.next();
    slot.next();
  }

  void run() {
    for_each_chain<Traits>(p, [&](unsigned number) {
      const Chain<Traits> chain(p, number);
      Inputs next = fetch(chain, 0);
#pragma unroll 1
      for (int token = 0; token < chain.tokens; token += C) {
        const Inputs in = next;
        next = fetch(chain, token + C);
        prepare(chain, token, in);
      }
      if constexpr (!preconditioned) {  // nobody else would write the d that is asked for
        if (p.final_d != nullptr && chain.split == 0 && Group::thread() < K) {
          p.final_d[(chain.n * p.value_heads + chain.head) * K + Group::thread()] = 1.0F;
        }
      }
    });
  }
};

}  // namespace osdn
