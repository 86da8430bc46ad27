// d at the segments' starts: when one stands still, and what must be known of it.
#pragma once

#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// How far a correction moved an entry.
enum : int {
  stands_still = 0,
  moved_little = 1,  ///< the Jacobian of before still serves
  moved_far = 2,
};

/// Whether d, which is of the order of one, is another number than it was but for rounding. A NaN never stands still.
inline bool moves(float from, float to) {
  return !(fabsf(to - from) <= 5e-7F * fmaxf(1.0F, fabsf(to)));
}
inline bool moves_far(float from, float to) {
  return !(fabsf(to - from) <= 1e-3F * fmaxf(1.0F, fabsf(to)));
}

/// Whether d of the segment's sequence is cut as its state is. With few segments the rounds' Jacobians take longer than
/// a replay of one segment after the other (docs/performance.md).
inline bool cuts_d(const ForwardParameters& p, const Segment& segment) {
  return segment.count >= p.cut_d;
}

/// Whether the coming correction will ask for this segment's Jacobian, and the one at hand is of a place far away. All
/// threads of the CTA.
template <class Traits>
inline bool needs_jacobian(const ForwardParameters& p, const Segment& segment, int head) {
  constexpr int K = Traits::K;
  const long long item = segment.number * p.value_heads + head;
  if (p.segment_moves[item] != moved_far) return false;
  bool moved = false;
  for (long long i = threadIdx.x; i < segment.index * K; i += blockDim.x) {
    const long long before = (segment.number - 1 - i / K) * p.value_heads + head;
    moved |= moves(p.segment_d[(before + p.value_heads) * K + i % K], p.segment_ends[before * K + i % K]);
  }
  return __syncthreads_or(moved);
}

}  // namespace osdn
