// Lanes, and sums over them.
#pragma once

namespace osdn {

inline constexpr unsigned all_lanes = 0xffffffffU;

inline int lane_id() {
  return threadIdx.x & 31;
}
inline int warp_id() {
  return threadIdx.x >> 5;
}

/// The sum of x over the warp, in every lane, in the same order for every lane.
inline float warp_sum(float x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(all_lanes, x, distance);
  return x;
}

/// The largest x of the warp, in every lane. PTX ISA: redux.sync (9.7.13.12).
inline unsigned warp_max(unsigned x) {
  unsigned most;
  asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(most) : "r"(x));
  return most;
}

/// Halves the values: with the lane whose id differs in bit `2 half`, each keeps one half and sends the other.
template <int half>
inline void fold(float (&x)[16]) {
  const bool upper = (lane_id() & (2 * half)) != 0;
#pragma unroll
  for (int i = 0; i < half; ++i) {
    const float sent = upper ? x[i] : x[i + half];
    const float kept = upper ? x[i + half] : x[i];
    x[i] = kept + __shfl_xor_sync(all_lanes, sent, 2 * half);
  }
}

/// Sums 16 values over the warp at once: lane l returns the sum of x[l / 2]. Sending only what the other half needs
/// takes 16 shuffles where 16 separate sums take 80.
inline float warp_sum_16(float (&x)[16]) {
  fold<8>(x);
  fold<4>(x);
  fold<2>(x);
  fold<1>(x);
  return x[0] + __shfl_xor_sync(all_lanes, x[0], 1);
}

/// Clips to [low, high]; a NaN stays a NaN (fminf and fmaxf would turn it into a bound). PTX ISA: min, max (9.7.3).
inline float clip(float x, float low, float high) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(low));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(high));
  return x;
}

}  // namespace osdn
