// Where the clip may bind inside a chunk: 16 rows at a time, every feature of d in a thread of its own. The block's
// inverse gives the gates that would be right without the clip; a replay with the clip shows whether they are. Where
// they are not, gates and replay are repeated until they agree: after m rounds the error is at most κ^m / m!, κ the
// largest row sum of |M|, and 16 rounds are exact. Where κ is not small, token by token.
#pragma once

#include "preconditioner_chunk.cuh"

namespace osdn {

template <class Traits, class Keys, class Group>
template <class Store>
void PreconditionerChunk<Traits, Keys, Group>::go_by_blocks(Store store) {
  const float infinity = __int_as_float(0x7f800000);
  constexpr float iterate_below = 0.5F / 16;  // of |M|: up to this κ rounds are cheaper than tokens, 0.5^8 / 8! < 1e-7
  float now[per_thread];
  for_each_feature([&](int slot, int feature) { now[slot] = d()[feature]; });
  const int lane_of_block = lane_id() % 16;
#pragma unroll 1
  for (int first_row = 0; first_row < rows; first_row += 16) {
    const int row = first_row + lane_of_block;
    float gain = 0;
    float moved[per_thread];
    bool settled = false;
#pragma unroll 1
    for (int round = -1; !settled; ++round) {  // the first one only reads, as if no token moved d
      const bool reading = round < 0;
      for_each_feature([&](int slot, int) { moved[slot] = now[slot]; });
      float x[16];
      const bool clipped =
          replay(moved, gain, first_row, reading ? -infinity : p.d_min, reading ? infinity : p.d_max, x);
      if (round == 0 && !Group::any(clipped)) break;
      if (round >= 0 && !(largest_of_all() <= iterate_below)) {
        for_each_feature([&](int slot, int) { moved[slot] = now[slot]; });
        gain = go_by_tokens(moved, first_row);
        break;
      }
      if (round == 16) break;
      float z = 1.0F - b()[row] * sum_16(x);
      if (reading) {
        z = dot_16(t() + row * t_stride + first_row, show_rows(z));
      }
      const float next = mu()[row] * z;
      settled = !reading && !__any_sync(all_lanes, fabsf(next - gain) > 1e-6F * fabsf(mu()[row]));
      if (!settled) gain = next;
    }
    for_each_feature([&](int slot, int) { now[slot] = moved[slot]; });
    if (Group::thread() < 16 && row < rows) store(row, gain);
  }
  Group::sync();  // everyone has read d
  for_each_feature([&](int slot, int feature) { set_d(feature, now[slot]); });
}

/// Moves d through 16 rows with the clip; true if this thread's d met a bound. x[t] becomes this thread's part of
/// ⟨s_t, d_t⟩. Lane t % 16 has row t's gain.
template <class Traits, class Keys, class Group>
bool PreconditionerChunk<Traits, Keys, Group>::replay(float (&moved)[per_thread], float gain, int first_row, float low,
                                                      float high, float (&x)[16]) {
  bool clipped = false;
  const float* const row_gains = show_rows(gain);
#pragma unroll
  for (int first = 0; first < 16; first += 4) {
    const float4 four_gains = *reinterpret_cast<const float4*>(row_gains + first);
    const float row_gain[4] = {four_gains.x, four_gains.y, four_gains.z, four_gains.w};
    float row_gamma[4] = {1.0F, 1.0F, 1.0F, 1.0F};
    if constexpr (forgets) {
      const float4 four = *reinterpret_cast<const float4*>(gamma() + first_row + first);
      row_gamma[0] = four.x;
      row_gamma[1] = four.y;
      row_gamma[2] = four.z;
      row_gamma[3] = four.w;
    }
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const int row = first_row + first + n;
      x[first + n] = 0.0F;
      for_each_feature([&](int slot, int feature) {
        const float s = squared_key(row, feature);
        x[first + n] = fmaf(s, moved[slot], x[first + n]);
        float next = advance_unclipped<Traits>(moved[slot], row_gamma[n], row_gain[n], s, p);
        if (row >= rows) next = moved[slot];  // rounded anew it could differ
        moved[slot] = clip(next, low, high);
        clipped |= moved[slot] != next;
      });
    }
  }
  return clipped;
}

/// What the lanes have of a block's rows, where all lanes of the warp can read it: quicker than a shuffle a row, which
/// is also a place where the assembler makes sure of all lanes.
template <class Traits, class Keys, class Group>
const float* PreconditionerChunk<Traits, Keys, Group>::show_rows(float of_row) const {
  float* const shown = sums() + 16 * Group::warp();  // no longer, or not yet, what read_entry leaves there
  __syncwarp();
  if (lane_id() < 16) shown[lane_id()] = of_row;
  __syncwarp();
  return shown;
}

template <class Traits, class Keys, class Group>
float PreconditionerChunk<Traits, Keys, Group>::go_by_tokens(float (&moved)[per_thread], int first_row) {
  float gains = 0;
  const int end = rows - first_row < 16 ? rows - first_row : 16;
#pragma unroll 1
  for (int t = 0; t < end; ++t) {
    const int row = first_row + t;
    float x = 0;
    for_each_feature([&](int slot, int feature) { x = fmaf(squared_key(row, feature), moved[slot], x); });
    x = warp_sum(x);
    float* const buffer = reduction() + parity * 64;
    parity ^= 1;
    if (lane_id() == 0) buffer[Group::warp()] = x;
    Group::sync();
    const float gain = mu()[row] * (1.0F - b()[row] * ((buffer[0] + buffer[1]) + (buffer[2] + buffer[3])));
    if (lane_id() % 16 == t) gains = gain;
    for_each_feature([&](int slot, int feature) {
      moved[slot] = advance<Traits>(moved[slot], forgets ? gamma()[row] : 1.0F, gain, squared_key(row, feature), p);
    });
  }
  return gains;
}

/// The 16 sums over the group of each thread's x: lane l of every warp returns the sum of x[l % 16].
template <class Traits, class Keys, class Group>
float PreconditionerChunk<Traits, Keys, Group>::sum_16(float (&x)[16]) {
  const float in_warp = warp_sum_16(x);
  float* const buffer = reduction() + parity * 64;
  parity ^= 1;  // two buffers in turn: one barrier a sum is enough
  if (lane_id() % 2 == 0) buffer[Group::warp() * 16 + lane_id() / 2] = in_warp;
  Group::sync();
  const int row = lane_id() % 16;
  return (buffer[row] + buffer[16 + row]) + (buffer[32 + row] + buffer[48 + row]);
}

}  // namespace osdn
