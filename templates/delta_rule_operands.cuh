// What a chunk of the delta rule makes before it needs the state:
//
//   W = d ⊙ K      L = tril₋₁(Diag(β) K Wᵀ)      P = tril(Q Wᵀ)      (I + L)⁻¹ as an operand
#pragma once

#include "delta_rule_chunk.cuh"

namespace osdn {

/// What each row has one of: β, norms, gain, γ. Rows behind the end get what leaves everything as it is.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::make_rows() {
  const long long first = chunk * C;
#pragma unroll 1
  for (int i = threadIdx.x; i < C; i += threads) {
    const bool valid = i < rows;
    beta[i] = valid ? load_beta<Traits>(p, sequence, first + i, head) : 0.0F;
    if constexpr (preconditioned) {
      gain[i] = valid ? p.gain[head * all_tokens(p) + sequence.begin + first + i] : 0.0F;
      if constexpr (Forgetting<Traits>::active && !Forgetting<Traits>::per_channel) {
        gamma[i] = valid ? Forgetting<Traits>::gamma(p, sequence, first + i, head) : 1.0F;
      }
    }
  }
  if constexpr (Traits::qk_l2norm) {
#pragma unroll 1
    for (int i = warp_id(); i < C; i += Traits::warps) {
      float key_sum = 0;
      float query_sum = 0;
      for (int c = lane_id(); c < K; c += 32) {
        const float key = Type::to_float(k[i * k_stride + c]);
        const float query = reads_out ? Type::to_float(q[i * k_stride + c]) : 0.0F;
        key_sum = fmaf(key, key, key_sum);
        query_sum = fmaf(query, query, query_sum);
      }
      key_sum = warp_sum(key_sum);
      query_sum = warp_sum(query_sum);
      if (lane_id() == 0) {
        key_scale[i] = l2_norm_scale<Traits>(key_sum);
        query_scale[i] = l2_norm_scale<Traits>(query_sum);
      }
    }
  }
  __syncthreads();
}

/// W = d ⊙ K, by replaying d through the chunk: every feature for itself.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::make_write_keys() {
  if constexpr (preconditioned) {
    const long long number = head * all_chunks<C>(p) + sequence.first_chunk + chunk;
    for (int c = threadIdx.x; c < K; c += threads) {
      float d = p.d_chunks[number * K + c];
#pragma unroll 4
      for (int i = 0; i < C; ++i) {
        const float key = Type::to_float(k[i * k_stride + c]) * key_factor(i);
        w[i * k_stride + c] = Type::from_float(i < rows ? d * key : 0.0F);
        if (i < rows) d = advance<Traits>(d, gamma_of(i, c), gain[i], key * key, p);
      }
    }
    __syncthreads();
  }
}

/// L_ij = β_i ⟨k_i, w_j⟩ for j < i into t, P_ij = ⟨q_i, w_j⟩ for j ≤ i into qw: one 16×16 block a warp at a time.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::make_products() {
  constexpr int lower = blocks * (blocks + 1) / 2;
  for (int item = warp_id(); item < (reads_out ? 2 : 1) * lower; item += Traits::warps) {
    const bool is_p = item >= lower;
    int i = 0;
    int j = is_p ? item - lower : item;
    while (j > i) j -= ++i;
    const ReadA<k_stride> left((is_p ? q : k) + 16 * i * k_stride);
    const ReadTransposedB<k_stride> right(w + 16 * j * k_stride);
    Block sum = zero_block();
#pragma unroll 2
    for (int f = 0; f < K / 16; ++f) Product::multiply_add(sum, left(0, f), right, 0, f);
    const int a = 16 * i + lane_row();
    const int b = 16 * j + lane_column();
    if (is_p) {
      for_each_pair(sum, [&](int row, int column, const float* x) {
        const float left = b + column <= a + row ? x[0] * decay.between(a + row, b + column) : 0.0F;
        const float next = b + column < a + row ? x[1] * decay.between(a + row, b + column + 1) : 0.0F;
        Type::store_pair(qw + (a + row) * p_stride + b + column, left, next);
      });
    } else {
      for_each_pair(sum, [&](int row, int column, const float* x) {
        const float erase = erase_factor(a + row);
        const float left = erase * write_factor(b + column) * decay.between(a + row, b + column);
        const float next = erase * write_factor(b + column + 1) * decay.between(a + row, b + column + 1);
        *reinterpret_cast<float2*>(t + (a + row) * t_stride + b + column) =
            float2{b + column < a + row ? x[0] * left : 0.0F, b + column + 1 < a + row ? x[1] * next : 0.0F};
      });
    }
  }
  __syncthreads();
}

/// Brings (I + L)^{-1} into the element type, in place: a warp takes a whole row into registers before writing it.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::round_inverse() {
  if constexpr (sizeof(Storage) < sizeof(float)) {
#pragma unroll 2
    for (int i = warp_id(); i < C; i += Traits::warps) {
      const int end = (i / 16 + 1) * 16;
      float x[(C + 31) / 32];
#pragma unroll
      for (int n = 0; n < (C + 31) / 32; ++n) {
        const int j = lane_id() + 32 * n;
        x[n] = j < end ? t[i * t_stride + j] : 0.0F;
      }
      __syncwarp();
#pragma unroll
      for (int n = 0; n < (C + 31) / 32; ++n) {
        const int j = lane_id() + 32 * n;
        if (j >= end) continue;
        Storage* element = inverse() + i * inverse_stride + j;
        *element = Type::from_float(x[n]);
        if constexpr (has_remainder) element[C] = Type::from_float(x[n] - Type::to_float(*element));
      }
    }
    __syncthreads();
  }
}

}  // namespace osdn
