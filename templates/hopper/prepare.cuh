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
#include "hopper/progress.cuh"
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
    float log_gamma;  // e to its power is taken where it is used: it would wait for the load
    float d;
  };

  /// Where a chain's numbers that this thread fetches lie.
  struct Source {
    const float* gain = nullptr;
    const float* d = nullptr;
    Source(const ForwardParameters& p, const Chain<Traits>& chain) {
      if constexpr (preconditioned) {
        gain = p.gain + chain.head * all_tokens(p) + chain.sequence.begin + Group::thread();
        d = p.d_chunks + (chain.head * all_chunks<C>(p) + chain.sequence.first_chunk) * K + Group::thread();
      }
    }
  };

  explicit HopperPreparation(const ForwardParameters& parameters) : p(parameters) {}

  static Storage& element(unsigned char* panels, int row, int column) {
    return *reinterpret_cast<Storage*>(panels + panel_offset<C>(row, column));
  }

  /// Rows behind the end get what leaves everything as it is.
  Inputs fetch(const Chain<Traits>& chain, const Source& source, int first) const {
    Inputs in{0.0F, 0.0F, 0.0F, 1.0F};
    if (first >= chain.tokens) return in;
    const int thread = Group::thread();
    const int token = first + thread;
    if (thread < C && token < chain.tokens) {
      in.beta = load_beta<Traits>(p, chain.sequence, token, chain.head);
      if constexpr (preconditioned) in.gain = source.gain[first];
      if constexpr (has_gamma) in.log_gamma = log_forgetting<Traits>(p, chain.sequence, token, chain.head);
    }
    if constexpr (preconditioned) {
      if (thread < K) in.d = source.d[first / C * K];
    }
    return in;
  }

  /// Zeros behind the end: rows of K and V meet numbers of this sequence in products, so they must not be another's.
  template <int Columns>
  static void clear_tail(unsigned char* panels, int rows) {
    constexpr int chunks = Columns / 8;
#pragma unroll 1
    for (int i = rows * chunks + Group::thread(); i < C * chunks; i += Group::threads) {
      *reinterpret_cast<uint4*>(panels + panel_offset<C>(i / chunks, i % chunks * 8)) = uint4{0, 0, 0, 0};
    }
  }

  /// The squared norms of a warp's 16 rows: the diagonal of the rows' own Gram matrix, whose operands are the same
  /// registers twice.
  static void square_rows(const unsigned char* panels, float* squares) {
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
    squares[16 * Group::warp() + g] = g % 2 == 0 ? first[0] : first[1];
    squares[16 * Group::warp() + g + 8] = g % 2 == 0 ? second[2] : second[3];
  }

  /// What each token has one of.
  void make_rows(const Inputs& in, int rows, unsigned char* k, unsigned char* q) const {
    const int i = Group::thread();
    float norm = 1.0F;
    if constexpr (Traits::qk_l2norm) {  // half of the threads have a key's, half a query's, which comes behind
      static_assert(Group::threads == 2 * C);
      float* const squares = shared.write_factor(slot.place());
      square_rows(k, squares);
      square_rows(q, squares + C);
      Group::sync();
      norm = l2_norm_scale<Traits>(squares[i]);
      squares[i] = i < C ? norm : p.scale * norm;
    }
    if (i < C) {
      shared.value_factor(slot.place())[i] = Family::value_coefficient(in.beta);
      shared.erase_factor(slot.place())[i] = Family::erase_coefficient(in.beta) * norm;
      if constexpr (!Traits::qk_l2norm) shared.output_factor(slot.place())[i] = p.scale;
      // A write key gets its norm here; DeltaNet's are K as stored. One behind the end is zero.
      if constexpr (preconditioned) {
        const float gamma = has_gamma ? expf(in.log_gamma) : 1.0F;
        shared.steps()[i] = {i < rows ? norm : 0.0F, in.gain * (norm * norm), gamma, p.anchor * (1.0F - gamma)};
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
          if (i < rows) gamma = Forgetting<Traits>::gamma(p, chain.sequence, token + i, chain.head, feature);
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

  /// −L: split into two bf16 numbers before the diagonal block, in fp32 there (hopper_system_low).
  void store_system(const float (&l)[C / 2]) const {
    const float* const erase = shared.erase_factor(slot.place());
    const int lane = lane_id();
    const int row = 16 * Group::warp() + lane / 4;
    float* const system = shared.system(slot.place());
    const unsigned rows = shared_address(system + (16 * Group::warp() + lane % 16) * stride) + lane / 16 * 16;
    const float factor[2] = {-erase[row], -erase[row + 8]};
#pragma unroll
    for (int b = 0; b < C / 16; ++b) {
      if (b > Group::warp()) break;  // above the diagonal nobody reads
      Block block;
      for_each_element(block, [&](int down, int right, float& x) {
        x = l[8 * b + right / 8 * 4 + down / 8 * 2 + right % 2] * factor[down / 8];
        if constexpr (lacks_norm) x *= write_scale(16 * b + lane_column() + right);
      });
      if (b < Group::warp()) {
        using Split = Tensor<ElementType::bf16, Fp32Math::tf32x3>;
        const typename Split::A high = Split::round(block);
        store_matrices(rows + 32 * b, high.r);
        store_matrices(rows + 32 * b + 4 * hopper_system_low, Split::remainder(block, high).r);
      } else {
        float* const to = system + row * stride + hopper_system_diagonal + lane_column();
        for_each_element(block, [&](int down, int right, float& x) {
          to[down * stride + right] = lane_column() + right < lane_row() + down ? x : 0.0F;
        });
      }
    }
  }

  // What W lacks of the norm; DeltaNet's does.
  static constexpr bool lacks_norm = Traits::qk_l2norm && !preconditioned;
  float write_scale(int token) const {
    return shared.write_factor(slot.place())[token];
  }

  /// What lies above the diagonal blocks is zero from the start.
  void store_products(const float (&qw)[C / 2]) const {
    const int lane = lane_id();
    const int row = lane % 16;
    const unsigned rows =
        shared_address(shared.products(slot.place())) + static_cast<unsigned>((16 * Group::warp() + row) * panel_row);
#pragma unroll
    for (int b = 0; b < C / 16; ++b) {
      if (b > Group::warp()) break;
      Block block;
      for_each_element(
          block, [&](int down, int right, float& x) { x = qw[8 * b + right / 8 * 4 + down / 8 * 2 + right % 2]; });
      if (b == Group::warp()) {
        for_each_element(block, [&](int down, int right, float& x) {
          if (lane_column() + right > lane_row() + down) x = 0.0F;
        });
      }
      store_matrices(rows + static_cast<unsigned>(((2 * b + lane / 16) ^ (row & 7)) << 4),
                     Tensor<Traits::type, Fp32Math::tf32x3>::round(block).r);
    }
  }

  void prepare(const Chain<Traits>& chain, int token, const Inputs& in) {
    const int rows = chain.tokens - token < C ? chain.tokens - token : C;
    unsigned char* const k = shared.k(stage.place());
    unsigned char* const q = shared.q(stage.place());
    unsigned char* const w = shared.w(slot.place(), stage.place());
    shared.full(stage.place()).wait(stage.parity());
    shared.taken(slot.place()).wait(slot.parity() ^ 1);
    __syncwarp();  // a lane may have looked once more than others; matrices are loaded by all
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
    for (int i = 0; i < hopper_prepared; ++i) clear_panel<Group>(shared.products(i));
    Group::sync();
    for_each_chain<Traits>(p, [&](unsigned number) {
      const Chain<Traits> chain(p, number);
      const Source source(p, chain);
      KnownChunks published(is_fused<Traits> ? published_chunks(p, chain.n, chain.head) : nullptr);
      const auto fetch_from = [&](int token) {
        // Behind the last chunk, if that is full, a checkpoint may want d.
        const bool is_read = token < chain.tokens || (token == chain.tokens && p.checkpoint_d != nullptr);
        if (is_fused<Traits> && is_read) published.await(static_cast<unsigned>(token / C + 1));
        return fetch(chain, source, token);
      };
      Inputs next = fetch_from(0);
#pragma unroll 1
      for (int token = 0; token < chain.tokens; token += C) {
        const Inputs in = next;
        next = fetch_from(token + C);
        prepare(chain, token, in);
      }
      if constexpr (!preconditioned) {  // nobody else would write the d that is asked for
        if (p.final_d != nullptr && chain.is_last && chain.split == 0 && Group::thread() < K) {
          p.final_d[(chain.n * p.value_heads + chain.head) * K + Group::thread()] = 1.0F;
        }
      }
    });
  }
};

}  // namespace osdn
