// Segment after segment: the entry state of the next one is A h + B, in what is close to true fp32; the second one's is
// what the first one ended with. One CTA per sequence, value head and 16 value columns; a warp owns every eighth block
// of 16 features of hᵀ.
#pragma once

#include "device/tensor_fp32.cuh"
#include "layout.cuh"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

template <class Traits>
inline void segment_states(const ForwardParameters& p) {
  constexpr int K = Traits::K;
  constexpr int V = Traits::V;
  constexpr int stride = padded(K);
  extern __shared__ __align__(16) unsigned char shared_memory[];
  float* const shared = reinterpret_cast<float*>(shared_memory);

  const int tile = blockIdx.x % (V / 16);
  const int head = blockIdx.x / (V / 16) % p.value_heads;
  const long long n = blockIdx.x / (V / 16) / p.value_heads;
  const Segment first = segment_of<16>(p, n, 0);
  const long long of_head = (n * p.value_heads + head) * K * V + 16 * tile;
  float* state = p.segment_states + (first.number * p.value_heads + head) * K * V + 16 * tile;
  const float* transfer = p.operators + ((operator_number(p, first) + 1) * p.value_heads + head) * K * K;

  // The first segment's entry is the initial state: final_state may take its place while others still read it.
  for (int i = threadIdx.x; i < 16 * K; i += 32 * segment_warps) {
    const int column = i % 16;
    const int feature = i / 16;
    const float x = p.initial_state != nullptr ? p.initial_state[of_head + feature * V + column] : 0.0F;
    state[feature * V + column] = x;
  }
  if (first.count <= 2) return;
  state += static_cast<long long>(p.value_heads) * K * V;
  for (int i = threadIdx.x; i < 16 * K; i += 32 * segment_warps) {
    shared[i % 16 * stride + i / 16] = state[i / 16 * V + i % 16];
  }
  for (long long s = 2; s < first.count; ++s) {
    __syncthreads();
    state += static_cast<long long>(p.value_heads) * K * V;
    const Fp32Tensor::ReadA<stride> entry(shared + s % 2 * 16 * stride);
    const Fp32Tensor::ReadTransposedB<K> rows(transfer);
    float* const next = shared + (s + 1) % 2 * 16 * stride + lane_row() * stride + lane_column();
    float* const out = state + lane_column() * V + lane_row();
    for (int block = warp_id(); block < K / 16; block += segment_warps) {
      Block sum;
      for_each_element(sum, [&](int column, int feature, float& x) { x = out[(16 * block + feature) * V + column]; });
#pragma unroll
      for (int f = 0; f < K / 16; ++f) Fp32Tensor::multiply_add(sum, entry(0, f), rows(block, f));
      for_each_element(sum, [&](int column, int feature, float& x) {
        next[column * stride + 16 * block + feature] = x;
        out[(16 * block + feature) * V + column] = x;
      });
    }
    transfer += static_cast<long long>(p.value_heads) * K * K;
  }
}

}  // namespace osdn
