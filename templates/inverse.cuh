// T ← (I + L)^{-1} in place for a strictly lower triangular C×C matrix in shared memory (fp32, row-major). Only blocks
// on and below the diagonal are read or written; the diagonal and what lies above it inside diagonal blocks come out as
// the identity's.
#pragma once

#include "device/tensor_fp32.cuh"
#include "device/warpgroup.cuh"
#include "osdn/axes.hpp"

namespace osdn {

/// The 16×16 inverse by one half warp: lane c of the half solves for column c, which stays in its registers. Four
/// elements a load where rows allow it: a compiler that has to find that out by itself takes long.
template <int Stride>
inline void invert_16(float* m) {
  const int column = lane_id() % 16;
  float x[16];  // negative, so that a sum is a chain of plain multiply-adds
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    float sum = i == column ? 1.0F : 0.0F;
#pragma unroll
    for (int j = 0; j < i; j += 4) {
      float4 four;
      if constexpr (Stride % 4 == 0) {
        four = *reinterpret_cast<const float4*>(m + i * Stride + j);
      } else {
        four = float4{m[i * Stride + j], m[i * Stride + j + 1], m[i * Stride + j + 2], m[i * Stride + j + 3]};
      }
      sum = fmaf(four.x, x[j], sum);
      if (j + 1 < i) sum = fmaf(four.y, x[j + 1], sum);
      if (j + 2 < i) sum = fmaf(four.z, x[j + 2], sum);
      if (j + 3 < i) sum = fmaf(four.w, x[j + 3], sum);
    }
    x[i] = i < column ? 0.0F : -sum;
    // Not all of the matrix at once: loads that run ahead of their row take registers.
    if (i % 4 == 3) asm volatile("" ::: "memory");
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 16; ++i) m[i * Stride + column] = -x[i];
}

/// Row after row over the whole chunk: T_i = e_i − Σ_{j<i} L_ij T_j.
template <int C, int Stride, int Threads>
inline void invert_by_substitution(float* t) {
  constexpr int columns_per_thread = (C + Threads - 1) / Threads;
  for (int i = 0; i < C; ++i) {
    float row[columns_per_thread];
#pragma unroll
    for (int n = 0; n < columns_per_thread; ++n) {
      const int column = threadIdx.x + n * Threads;
      row[n] = i == column ? 1.0F : 0.0F;
      if (column < i) {
        row[n] = -t[i * Stride + column];  // j = column, where T_jj = 1
        for (int j = column + 1; j < i; ++j) row[n] = fmaf(-t[i * Stride + j], t[j * Stride + column], row[n]);
      }
    }
    __syncthreads();
#pragma unroll
    for (int n = 0; n < columns_per_thread; ++n) {
      const int column = threadIdx.x + n * Threads;
      if (column < (i / 16 + 1) * 16) t[i * Stride + column] = row[n];
    }
    __syncthreads();
  }
}

/// out = sign · Σ_{from ≤ m < to} a_m b_m for 16×16 blocks, a along a block row and b along a block column.
template <int Stride>
inline void multiply_blocks(float* out, const float* a, const float* b, int from, int to, float sign) {
  const Fp32Tensor::ReadA<Stride> read_a(a);
  const Fp32Tensor::ReadB<Stride> read_b(b);
  Block sum = zero_block();
#pragma unroll 1
  for (int m = from; m < to; ++m) Fp32Tensor::multiply_add(sum, read_a(0, m), read_b(m, 0));
  float* lane = out + lane_row() * Stride + lane_column();
  for_each_element(sum, [&](int row, int column, float& x) { lane[row * Stride + column] = sign * x; });
}

/// Merges neighbours of `size` inverted rows, T₀ above and T₁ below, until one is left: the block between them becomes
/// −T₁ L T₀. The space above the diagonal, which nobody reads, takes L T₀. Loops stay loops: one body serves all sizes.
template <int C, int Stride, class Group>
inline void merge_inverses(float* t) {
#pragma unroll 1
  for (int size = 16; size < C; size *= 2) {
    const int blocks = size / 16;
    const int items = C / (2 * size) * blocks * blocks;
#pragma unroll 1
    for (int second_product = 0; second_product < 2; ++second_product) {
#pragma unroll 1
      for (int item = Group::warp(); item < items; item += Group::warps) {
        const int i = item / blocks % blocks;
        const int j = item % blocks;
        float* first = t + item / (blocks * blocks) * 2 * size * (Stride + 1);
        float* above = first + size;
        float* below = first + size * Stride;
        float* second = below + size;
        multiply_blocks<Stride>((second_product ? below : above) + 16 * i * Stride + 16 * j,
                                (second_product ? second : below) + 16 * i * Stride,
                                (second_product ? above : first) + 16 * j, second_product ? 0 : j,
                                second_product ? i + 1 : blocks, second_product ? -1.0F : 1.0F);
      }
      Group::sync();
    }
  }
}

/// Inverts the 16×16 diagonal blocks in fp32, each by half a warp.
template <int C, int Stride, class Group>
inline void invert_diagonal(float* t) {
  const int half = lane_id() / 16;
  for (int pair = Group::warp(); pair < (C / 16 + 1) / 2; pair += Group::warps) {
    const int block = 2 * pair + half < C / 16 ? 2 * pair + half : 2 * pair;  // both halves do the odd one
    invert_16<Stride>(t + 16 * block * (Stride + 1));
  }
}

/// The diagonal blocks, then neighbours are merged until one block is left.
template <int C, int Stride, class Group>
inline void invert_blocked(float* t) {
  invert_diagonal<C, Stride, Group>(t);
  Group::sync();
  merge_inverses<C, Stride, Group>(t);
}

/// All threads of the CTA; begins after and ends with a barrier.
template <class Traits, int Stride>
inline void invert_unit_lower(float* t) {
  if constexpr (Traits::inverse == InverseAlgorithm::substitution) {
    invert_by_substitution<Traits::chunk, Stride, 32 * Traits::warps>(t);
  } else {
    invert_blocked<Traits::chunk, Stride, WholeCta<Traits::warps>>(t);
  }
}

}  // namespace osdn
