// T ← (I + L)^{-1} in place for a strictly lower triangular C×C matrix in shared memory (fp32, row-major). Only blocks
// on and below the diagonal are read or written; the diagonal and what lies above it inside diagonal blocks come out as
// the identity's.
#pragma once

#include "device/tensor_fp32.cuh"
#include "family.cuh"

namespace osdn {

/// The 16×16 inverse by one half warp: lane c of the half solves for column c, which stays in its registers.
/// `at(i, j)` refers to the matrix.
template <class At>
inline void invert_16(At at) {
  const int column = lane_id() % 16;
  float x[16];
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    float sum = i == column ? 1.0F : 0.0F;
#pragma unroll
    for (int j = 0; j < i; ++j) sum = fmaf(-at(i, j), x[j], sum);
    x[i] = i < column ? 0.0F : sum;
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 16; ++i) at(i, column) = x[i];
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

/// One level of merging: for each pair of inverted blocks of `size` rows, the block between them becomes
/// −T₁ L T₀. Transposed, so that a product's accumulator is the next one's A operand: Yᵀ = T₀ᵀ Lᵀ, then −Yᵀ T₁ᵀ.
template <int C, int Stride, int Warps, int size>
inline void merge_inverses(float* t) {
  constexpr int blocks = size / 16;
  constexpr int pairs = C / (2 * size);
  constexpr int columns = pairs * blocks;  // one warp makes one column of 16×16 blocks
  constexpr int columns_per_warp = (columns + Warps - 1) / Warps;
  Block result[columns_per_warp][blocks];
#pragma unroll
  for (int n = 0; n < columns_per_warp; ++n) {
    const int item = warp_id() + n * Warps;
    if (item >= columns) continue;
    const int j = item % blocks;
    float* first = t + (item / blocks) * 2 * size * (Stride + 1);
    float* second = first + size * (Stride + 1);
    float* between = first + size * Stride;
    Block y[blocks];
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      y[i] = zero_block();
      for (int m = j; m < blocks; ++m) {  // T₀ is lower triangular
        const auto a = Fp32Tensor::load_a_transposed<Stride>(first + 16 * m * Stride + 16 * j);
        Fp32Tensor::multiply_add(y[i], a, Fp32Tensor::load_b_transposed<Stride>(between + 16 * i * Stride + 16 * m));
      }
    }
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      result[n][i] = zero_block();
#pragma unroll
      for (int m = 0; m <= i; ++m) {
        Fp32Tensor::multiply_add(result[n][i], Fp32Tensor::round(y[m]),
                                 Fp32Tensor::load_b_transposed<Stride>(second + 16 * i * Stride + 16 * m));
      }
    }
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < columns_per_warp; ++n) {
    const int item = warp_id() + n * Warps;
    if (item >= columns) continue;
    const int j = item % blocks;
    float* between = t + (item / blocks) * 2 * size * (Stride + 1) + size * Stride;
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      for_each_element(result[n][i], [&](int row, int column, float& x) {  // the block is transposed
        between[(16 * i + column) * Stride + 16 * j + row] = -x;
      });
    }
  }
  __syncthreads();
}

/// Inverts the 16×16 diagonal blocks in fp32, then merges neighbours until one block is left.
template <int C, int Stride, int Warps>
inline void invert_blocked(float* t) {
  const int half = lane_id() / 16;
  for (int pair = warp_id(); pair < (C / 16 + 1) / 2; pair += Warps) {
    const int block = 2 * pair + half < C / 16 ? 2 * pair + half : 2 * pair;  // both halves do the odd one
    float* diagonal = t + 16 * block * (Stride + 1);
    invert_16([&](int i, int j) -> float& { return diagonal[i * Stride + j]; });
  }
  __syncthreads();
  if constexpr (C >= 32) merge_inverses<C, Stride, Warps, 16>(t);
  if constexpr (C >= 64) merge_inverses<C, Stride, Warps, 32>(t);
  if constexpr (C >= 128) merge_inverses<C, Stride, Warps, 64>(t);
}

/// All threads of the CTA; begins after and ends with a barrier.
template <class Traits, int Stride>
inline void invert_unit_lower(float* t) {
  if constexpr (Traits::inverse == InverseAlgorithm::substitution) {
    invert_by_substitution<Traits::chunk, Stride, 32 * Traits::warps>(t);
  } else {
    invert_blocked<Traits::chunk, Stride, Traits::warps>(t);
  }
}

}  // namespace osdn
