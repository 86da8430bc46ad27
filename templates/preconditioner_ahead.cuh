// What a chunk of the preconditioner makes before its d is known: sums of log γ, the Gram matrix of squared keys on
// tensor cores, M, and the inverses of its diagonal blocks of 16 rows.
#pragma once

#include "inverse.cuh"
#include "preconditioner_chunk.cuh"

namespace osdn {

template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::prepare(const RowInputs& row) {
  if (Group::thread() < C) make_decays(row);
  float2 gram[lower];
  make_gram<0>(gram);
  if constexpr (passes == 2) make_gram<passes - 1>(gram);
  if (Group::thread() < C) make_row(row.b);
  Group::sync();
  make_system(gram);
  Group::sync();
  invert_diagonal<C, t_stride, Group>(t());
  Group::sync();
}

/// Sums of log γ inside each block of 16 rows.
template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::make_decays(const RowInputs& row) {
  if constexpr (forgets) {
    const int i = Group::thread();
    const float own = fmaxf(row.log_gamma, least_log_gamma) + 0.0F * row.log_gamma;  // a NaN stays one
    float sum = own;
#pragma unroll
    for (int distance = 1; distance < 16; distance *= 2) {
      const float other = __shfl_up_sync(lanes_of_rows(), sum, distance, 16);
      if (i % 16 >= distance) sum += other;
    }
    const float all = __shfl_sync(lanes_of_rows(), sum, 15, 16);
    before()[i] = i % 16 == 0 ? 0.0F : sum - own;
    through()[i] = sum;
    head()[i] = __expf(before()[i]);
    tail()[i] = __expf(fminf(all - sum, 0.0F));
    gamma()[i] = expf(row.log_gamma);
    if (i % 16 == 15) decay()[i / 16] = expf(sum);
  }
}

/// What follows from a row's |k|², whose parts make_gram has left.
template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::make_row(float row_b) {
  const int i = Group::thread();
  const float* const parts = parts_of_squares() + i;
  const float raw = (parts[0] + parts[C]) + (parts[2 * C] + parts[3 * C]);
  const float r = l2_norm_scale<Traits>(raw);
  const float squared_norm = raw * r * r;
  b()[i] = row_b;
  mu()[i] = i < rows ? p.eta * row_b / hypergradient_norm<Traits>(squared_norm, p) : 0.0F;
  scale()[i] = r;
  squares()[i] = squared_norm;
  read()[i] = row_b * r * r;
  write()[i] = mu()[i] * (r * r);
}

/// A part of the Gram matrix: each warp sums over its features, then takes its quarter of every block: rows from
/// 8 (warp % 2), columns from 8 (warp / 2). The last part also sums the rows' squares.
template <class Traits, class Keys, class Group>
template <int pass>
inline void PreconditionerChunk<Traits, Keys, Group>::make_gram(float2 (&gram)[lower]) {
  constexpr int first = pass * pass_blocks;
  constexpr int last = first + pass_blocks - 1;
  constexpr bool with_sums = pass == passes - 1;
  constexpr unsigned one = 0x3f803f80U;
  Block product[pass_blocks];
  float row_sums[blocks][4];
#pragma unroll
  for (int n = 0; n < pass_blocks; ++n) product[n] = zero_block();
#pragma unroll
  for (int i = 0; i < blocks; ++i) row_sums[i][0] = row_sums[i][1] = row_sums[i][2] = row_sums[i][3] = 0.0F;
#pragma unroll 1
  for (int f = Group::warp(); f < features; f += Group::warps) {
    Squares s[block_row(last) + 1];
#pragma unroll
    for (int i = 0; i <= block_row(last); ++i) s[i] = Squares(keys.block(i, f));
#pragma unroll
    for (int n = 0; n < pass_blocks; ++n) {
      multiply_squares(product[n], s[block_row(first + n)], s[block_column(first + n)]);
    }
    if constexpr (with_sums) {
#pragma unroll
      for (int i = 0; i < blocks; ++i) multiply_columns(row_sums[i], s[i], one, one);
    }
  }
  if (pass > 0) Group::sync();  // the last part has been read
  float2* const parts = reinterpret_cast<float2*>(t()) + lane_id();
#pragma unroll
  for (int n = 0; n < pass_blocks; ++n) {
#pragma unroll
    for (int quarter = 0; quarter < 4; ++quarter) {
      const float* x = &product[n].x[quarter / 2][2 * (quarter % 2)];
      parts[((n * 4 + quarter) * 4 + Group::warp()) * 32] = float2{x[0], x[1]};
    }
  }
  if (with_sums && lane_id() % 4 == 0) {
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      parts_of_squares()[Group::warp() * C + 16 * i + lane_row()] = row_sums[i][0];
      parts_of_squares()[Group::warp() * C + 16 * i + lane_row() + 8] = row_sums[i][2];
    }
  }
  Group::sync();
#pragma unroll
  for (int n = 0; n < pass_blocks; ++n) {
    const float2* const quarter = parts + (n * 4 + Group::warp()) * 4 * 32;
    const float2 x0 = quarter[0];
    const float2 x1 = quarter[32];
    const float2 x2 = quarter[64];
    const float2 x3 = quarter[96];
    gram[first + n] = float2{(x0.x + x1.x) + (x2.x + x3.x), (x0.y + x1.y) + (x2.y + x3.y)};
  }
}

/// M into t: this warp's quarter of every block.
template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::make_system(const float2 (&gram)[lower]) {
  const int row = lane_row() + 8 * (Group::warp() % 2);
  const int column = lane_column() + 8 * (Group::warp() / 2);
  // Everything is read before anything is written, so that it is read once.
  float of_row[blocks];
  float2 of_column[blocks];
  float row_head[blocks];
  float2 column_tail[blocks];
  float row_before[blocks];
  float2 column_through[blocks];
  float between[blocks];
#pragma unroll
  for (int i = 0; i < blocks; ++i) {
    of_row[i] = read()[16 * i + row];
    of_column[i] = pair(write(), 16 * i + column);
    if constexpr (forgets) {
      row_head[i] = head()[16 * i + row];
      column_tail[i] = pair(tail(), 16 * i + column);
      row_before[i] = before()[16 * i + row];
      column_through[i] = pair(through(), 16 * i + column);
      between[i] = decay()[i];
    }
  }
  unsigned most = 0;
#pragma unroll
  for (int n = 0; n < lower; ++n) {
    constexpr int last = blocks - 1;
    const int i = block_row(n) < last ? block_row(n) : last;
    const int j = block_column(n) < last ? block_column(n) : last;
    float2 x = float2{gram[n].x * of_row[i] * of_column[j].x, gram[n].y * of_row[i] * of_column[j].y};
    if constexpr (forgets) {
      if (i == j) {
        x.x *= __expf(fminf(row_before[i] - column_through[j].x, 0.0F));
        x.y *= __expf(fminf(row_before[i] - column_through[j].y, 0.0F));
      } else {
        float decayed = row_head[i];
#pragma unroll
        for (int m = j + 1; m < i; ++m) decayed *= between[m];
        x.x *= decayed * column_tail[j].x;
        x.y *= decayed * column_tail[j].y;
      }
    }
    if (i == j) {
      if (column >= row) x.x = 0.0F;
      if (column + 1 >= row) x.y = 0.0F;
    }
    most = max(most, max(__float_as_uint(fabsf(x.x)), __float_as_uint(fabsf(x.y))));  // a NaN is the largest
    *reinterpret_cast<float2*>(t() + (16 * i + row) * t_stride + 16 * j + column) = x;
  }
  most = warp_max(most);
  if (lane_id() == 0) largest()[Group::warp()] = most;
}

}  // namespace osdn
