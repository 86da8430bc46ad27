// The serial part of a chunk of the preconditioner. Each row's squared key meets d − ρ as the chunk finds it, one warp
// solves for the gates, and the squared keys, times the gains, carry d to the chunk's end.
#pragma once

#include "preconditioner_chunk.cuh"

namespace osdn {

template <class Traits, class Keys, class Group>
template <class Store, class Meanwhile>
inline void PreconditionerChunk<Traits, Keys, Group>::step(Store store, Meanwhile meanwhile) {
  const bool has_time = Group::warp() == Group::warps - 1;
  if (largest_of_all() <= affine_below) {
    read_entry();
    Group::sync();
    if (Group::warp() == 0) solve_gates(store);
    if (has_time) meanwhile();
    Group::sync();
    if (carry()) return;
  } else if (has_time) {
    meanwhile();
  }
  go_by_blocks(store);
}

/// Each warp's part of S (d₁ − ρ), in raw squares.
template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::read_entry() {
  const unsigned short* const columns = d_columns() + lane_row() * d_stride + lane_column();
  float product[blocks][4];
#pragma unroll
  for (int i = 0; i < blocks; ++i) product[i][0] = product[i][1] = product[i][2] = product[i][3] = 0.0F;
  __syncwarp();
#pragma unroll 1
  for (int n = 0; n < features_per_warp; ++n) {
    const int f = Group::warp() + n * Group::warps;
    if (is_missing(f)) break;
    const unsigned low = *reinterpret_cast<const unsigned*>(columns + 16 * f);
    const unsigned high = *reinterpret_cast<const unsigned*>(columns + 16 * f + 8);
#pragma unroll
    for (int i = 0; i < blocks; ++i) multiply_columns(product[i], Squares(keys.block(i, f)), low, high);
  }
#pragma unroll
  for (int i = 0; i < blocks; ++i) {
    const float upper = sum_of_parts(product[i][0], product[i][1]);
    const float below = sum_of_parts(product[i][2], product[i][3]);
    if (lane_id() % 4 == 0) {
      sums()[Group::warp() * C + 16 * i + lane_row()] = upper;
      sums()[Group::warp() * C + 16 * i + lane_row() + 8] = below;
    }
  }
}

/// One warp: z and what follows from it; lane l has rows l and l + 32. Block after block: its gates by its inverse,
/// then what they take from the right sides of the rows below.
template <class Traits, class Keys, class Group>
template <class Store>
inline void PreconditionerChunk<Traits, Keys, Group>::solve_gates(Store store) {
  constexpr int per_lane = (C + 31) / 32;
  float z[per_lane];
#pragma unroll
  for (int n = 0; n < per_lane; ++n) z[n] = row_of(n) < C ? right_side(row_of(n)) : 0.0F;
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    float* const x = solution() + 16 * block;
#pragma unroll
    for (int pass = 0; pass < 2; ++pass) {  // the block's own rows, then those below
#pragma unroll
      for (int n = 0; n < per_lane; ++n) {
        if (row_of(n) / 16 == block) solution()[row_of(n)] = z[n];
      }
      __syncwarp();
#pragma unroll
      for (int n = 0; n < per_lane; ++n) {
        const int place = row_of(n) / 16;
        if (pass == 0 ? place != block : place <= block || row_of(n) >= C) continue;
        const float sum = dot_16(t() + row_of(n) * t_stride + 16 * block, x);
        z[n] = pass == 0 ? sum : z[n] - sum;
      }
      __syncwarp();
    }
  }
#pragma unroll
  for (int n = 0; n < per_lane; ++n) {
    const int i = row_of(n);
    if (i >= C) continue;
    if (i < rows) store(i, mu()[i] * z[n]);
    set_gain(i, write()[i] * z[n]);
  }
}

/// 1 − b (ρ |k|² + e^{c_t} ⟨s_t, d₁ − ρ⟩)
template <class Traits, class Keys, class Group>
inline float PreconditionerChunk<Traits, Keys, Group>::right_side(int i) const {
  float sum = (sums()[i] + sums()[C + i]) + (sums()[2 * C + i] + sums()[3 * C + i]);
  if constexpr (forgets) {
    sum *= head()[i];
#pragma unroll
    for (int m = 0; m < blocks - 1; ++m) sum *= m < i / 16 ? decay()[m] : 1.0F;
  }
  return 1.0F - fmaf(read()[i], sum, b()[i] * (anchor * squares()[i]));
}

/// Row i's gain as columns of an operand: what is left of it at the chunk's end in three numbers, then the whole of
/// it among those that raise d and those that lower it.
template <class Traits, class Keys, class Group>
inline void PreconditionerChunk<Traits, Keys, Group>::set_gain(int i, float gain) {
  float left = gain;
  if constexpr (forgets) {
    left *= tail()[i];
#pragma unroll
    for (int m = 1; m < blocks; ++m) left *= m > i / 16 ? decay()[m] : 1.0F;
  }
  unsigned short* const column = gains() + i;
#pragma unroll
  for (int n = 0; n < 3; ++n) {
    column[n * gain_stride] = Element<ElementType::bf16>::from_float(left);
    left -= Element<ElementType::bf16>::to_float(column[n * gain_stride]);
  }
  column[3 * gain_stride] = Element<ElementType::bf16>::from_float(fmaxf(gain, 0.0F));
  column[4 * gain_stride] = Element<ElementType::bf16>::from_float(fminf(gain, 0.0F));
}

/// d behind the chunk without the clip. True, and d moved, if the clip cannot have bound on the way.
template <class Traits, class Keys, class Group>
inline bool PreconditionerChunk<Traits, Keys, Group>::carry() {
  const unsigned short* const columns = gains() + lane_row() * gain_stride + lane_column();
  unsigned gain[blocks][2];
#pragma unroll
  for (int i = 0; i < blocks; ++i) {
    gain[i][0] = *reinterpret_cast<const unsigned*>(columns + 16 * i);
    gain[i][1] = *reinterpret_cast<const unsigned*>(columns + 16 * i + 8);
  }
  float forgotten = 1.0F;
  if constexpr (forgets) {
#pragma unroll
    for (int m = 0; m < blocks; ++m) forgotten *= decay()[m];
  }
  float moved[features_per_warp][2];
  bool clear = true;
#pragma unroll
  for (int n = 0; n < features_per_warp; ++n) {
    const int f = Group::warp() + n * Group::warps;
    if (is_missing(f)) continue;
    float product[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}};  // two, so that half as many wait for each other
#pragma unroll
    for (int i = 0; i < blocks; ++i) {
      multiply_columns(product[i % 2], Squares(keys.transposed(i, f)), gain[i][0], gain[i][1]);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float even = product[0][2 * half] + product[1][2 * half];
      const float odd = product[0][2 * half + 1] + product[1][2 * half + 1];
      const float change = sum_of_parts(even, odd);
      const float fall = 1.01F * __shfl_xor_sync(all_lanes, even, 3);  // lane 1 of the quad has the rest
      const float rise = 1.01F * odd;                                  // bounds were rounded to eight bits
      const float entry = d()[16 * f + 8 * half + lane_row()] - anchor;
      const float exit = forgotten * entry;
      moved[n][half] = anchor + (exit + change);
      const bool inside = fmaxf(entry, exit) + rise <= p.d_max - anchor &&
                          fminf(entry, exit) + fall >= p.d_min - anchor && moved[n][half] == moved[n][half];
      clear = clear && (lane_id() % 4 != 1 || inside);
    }
  }
  if (Group::any(!clear)) return false;
  if (lane_id() % 4 == 1) {
#pragma unroll
    for (int n = 0; n < features_per_warp; ++n) {
      const int f = Group::warp() + n * Group::warps;
      if (is_missing(f)) continue;
      set_d(16 * f + lane_row(), moved[n][0]);
      set_d(16 * f + lane_row() + 8, moved[n][1]);
    }
  }
  return true;
}

}  // namespace osdn
