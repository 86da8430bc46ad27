// A chunk's step of the state, for one warp's 16 value columns. T = (I + L)⁻¹, W and P are made.
//
//   Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β)      Uᵀ = Xᵀ Tᵀ      Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ)      hᵀ ← hᵀ + Uᵀ W
#pragma once

#include "delta_rule_chunk.cuh"

namespace osdn {

/// The state's step for one warp's 16 value columns: reads h, writes o, updates h.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::step(Block (&h)[K / 16], int tile) {
  const ReadTransposedB<k_stride> keys(k);
  const ReadTransposedB<inverse_stride> inverses(inverse());
  const ReadB<k_stride> write_keys(w);
  const ReadTransposed<v_stride> values(v + 16 * tile);

  A state[K / 16];
#pragma unroll
  for (int f = 0; f < K / 16; ++f) state[f] = Product::round(h[f]);

  A x[blocks];  // Xᵀ = (Vᵀ − hᵀKᵀ) Diag(β)
#pragma unroll
  for (int j = 0; j < blocks; ++j) {
    Block read = zero_block();
#pragma unroll
    for (int f = 0; f < K / 16; ++f) Product::multiply_add(read, state[f], keys, j, f);
    Block value = has_values ? values(j, 0) : zero_block();
    subtract_read(value, read, j);
    x[j] = Product::round(value);
  }
  __syncwarp();  // all lanes have read V: its buffer takes O

  A u[blocks];                             // Uᵀ = Xᵀ Tᵀ, times what W lacks: it only ever meets W
  A decayed[Family::decays ? blocks : 1];  // the same, as the exit state sees it
  A u_remainder[u_has_remainder ? blocks : 1];
#pragma unroll
  for (int i = 0; i < blocks; ++i) {
    Block sum = zero_block();
#pragma unroll
    for (int j = 0; j <= i; ++j) {
      if constexpr (has_remainder) Product::multiply_add(sum, x[j], inverses, i, j + blocks);
      Product::multiply_add(sum, x[j], inverses, i, j);
    }
    for_each_element(sum, [&](int, int token, float& y) { y *= write_factor(16 * i + lane_column() + token); });
    u[i] = Product::round(sum);
    if constexpr (u_has_remainder) u_remainder[i] = Product::remainder(sum, u[i]);
    if constexpr (Family::decays) {
      for_each_element(sum, [&](int, int token, float& y) { y *= decay.to_exit(16 * i + lane_column() + token); });
      decayed[i] = Product::round(sum);
    }
  }

  if constexpr (reads_out) read_out(state, u, u_remainder, tile);

#pragma unroll
  for (int f = 0; f < K / 16; ++f) {  // hᵀ ← hᵀ + Uᵀ W
    for_each_element(h[f], [&](int, int, float& y) { y *= decay.of_chunk(); });
#pragma unroll
    for (int j = 0; j < blocks; ++j) {
      Product::multiply_add(h[f], Family::decays ? decayed[Family::decays ? j : 0] : u[j], write_keys, j, f);
    }
  }
}

/// value ← ν − eᵀh, column by column of tokens: what it was is v, `read` is kᵀh.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::subtract_read(Block& value, const Block& read, int j) const {
  const int first = 16 * j + lane_column();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int token = first + 8 * half + n;
      const float read_factor = erase_factor(token) * decay.from_entry(token);
      const float coefficient = Family::value_coefficient(beta[token]);
#pragma unroll
      for (int i = n; i < 4; i += 2) {
        value.x[half][i] = fmaf(-read_factor, read.x[half][i], coefficient * value.x[half][i]);
      }
    }
  }
}

/// Oᵀ = scale (hᵀQᵀ + Uᵀ Pᵀ) of one warp's 16 value columns.
template <class Traits, DeltaRulePass pass>
template <int Remainders>
inline void DeltaRuleChunk<Traits, pass>::read_out(const A (&state)[K / 16], const A (&u)[blocks],
                                                   const A (&u_remainder)[Remainders], int tile) {
  const ReadTransposedB<k_stride> queries(q);
  const ReadTransposedB<p_stride> products(qw);
  Storage* out = v + lane_column() * v_stride + 16 * tile + lane_row();
#pragma unroll 1
  for (int i = 0; i < blocks; ++i) {
    Block sum = zero_block();
#pragma unroll
    for (int f = 0; f < K / 16; ++f) Product::multiply_add(sum, state[f], queries, i, f);
    for_each_element(sum, [&](int, int token, float& y) { y *= decay.from_entry(16 * i + lane_column() + token); });
#pragma unroll
    for (int j = 0; j < blocks; ++j) {
      if (j > i) continue;
      if constexpr (u_has_remainder) Product::multiply_add(sum, u_remainder[j], products, i, j);
      Product::multiply_add(sum, u[j], products, i, j);
    }
    for_each_element(sum, [&](int column, int token, float& y) {
      const float factor = p.scale * query_factor(16 * i + lane_column() + token);
      out[(16 * i + token) * v_stride + column] = Type::from_float(y * factor);
    });
  }
  __syncwarp();
  store_output(tile);
}

/// Writes this warp's 16 columns of O, 16 bytes a lane, from where V was.
template <class Traits, DeltaRulePass pass>
inline void DeltaRuleChunk<Traits, pass>::store_output(int tile) const {
  constexpr int per_vector = 16 / sizeof(Storage);
  constexpr int vectors = 16 / per_vector;
  Storage* first = o_rows + chunk * C * p.o_strides.token + 16 * tile;
#pragma unroll 4
  for (int i = lane_id(); i < rows * vectors; i += 32) {
    const int row = i / vectors;
    const int column = (i % vectors) * per_vector;
    *reinterpret_cast<uint4*>(first + row * p.o_strides.token + column) =
        *reinterpret_cast<const uint4*>(v + row * v_stride + 16 * tile + column);
  }
}

}  // namespace osdn
