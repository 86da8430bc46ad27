// Corrects the entries of a sequence's segments in order, after all of them were replayed from guesses:
//
//   d_i ← clip(end_{i−1} + J_{i−1} (d_{i−1} − what segment i − 1 began with))
//
// Where every entry stands still, every segment began with what the one before ended with: the replays are the
// sequence's own. One CTA per sequence and value head.
#pragma once

#include "device/warp.cuh"
#include "layout.cuh"
#include "segment_entries.cuh"
#include "sequence.cuh"

namespace osdn {

template <class Traits>
inline void segment_correction(const ForwardParameters& p) {
  constexpr int K = Traits::K;
  constexpr int threads = 32 * segment_warps;
  constexpr int parts = threads / K;  // threads that share a feature's sum
  static_assert(parts >= 1);
  extern __shared__ __align__(16) unsigned char shared_memory[];
  float* const partial = reinterpret_cast<float*>(shared_memory);
  float* const delta = partial + threads;

  const int head = blockIdx.x % p.value_heads;
  const long long n = blockIdx.x / p.value_heads;
  int* const rounds = p.cut_rounds + 2 * (n * p.value_heads + head);
  if (rounds[0] != 0) return;
  __syncthreads();  // all have seen it before it changes
  const Segment first = segment_of<16>(p, n, 0);
  long long item = first.number * p.value_heads + head;
  const float* jacobian =
      p.operators + (operator_number(p, first) * p.value_heads + head) * K * K;  // the segment before's
  if (threadIdx.x == 0) p.segment_moves[item] = stands_still;

  const int c = threadIdx.x % K;
  const int part = threadIdx.x / K;
  bool any = false;
  bool carried = false;  // Δ of the segment before is not zero
  for (long long s = 1; s < first.count; ++s, jacobian += static_cast<long long>(p.value_heads) * K * K) {
    const long long before = item;
    item += p.value_heads;
    float entry = p.segment_ends[before * K + c];
    const float old = p.segment_d[item * K + c];
    if (carried) {
      float sum = 0;
      if (part < parts) {
#pragma unroll 8
        for (int j = part; j < K; j += parts) sum = fmaf(jacobian[j * K + c], delta[j], sum);
      }
      partial[threadIdx.x] = sum;
      __syncthreads();
      sum = 0;
      for (int i = 0; i < parts; ++i) sum += partial[i * K + c];
      entry = clip(entry + sum, p.d_min, p.d_max);
    }
    const int moved = !__syncthreads_or(moves(old, entry))      ? stands_still
                      : __syncthreads_or(moves_far(old, entry)) ? moved_far
                                                                : moved_little;
    carried = moved != stands_still;
    any |= carried;
    if (threadIdx.x == 0) p.segment_moves[item] = moved;
    if (carried && part == 0) {
      p.segment_d[item * K + c] = entry;
      delta[c] = entry - old;
    }
    __syncthreads();
  }
  if (!any && threadIdx.x == 0) rounds[0] = p.pass + 1;
}

}  // namespace osdn
