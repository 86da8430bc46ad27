// What both algorithms of the preconditioner phase share: the CTA's sequence and head, its features of d, and sums over
// the CTA. Thread i holds features i, i + threads, ….
#pragma once

#include "device/element.cuh"
#include "device/warp.cuh"
#include "device/warpgroup.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "segment_entries.cuh"
#include "sequence.cuh"
#include "write_scale.cuh"

namespace osdn {

/// `Team`: the threads that work on it, a CTA's or some of them.
template <class Traits, class Team = WholeCta<Traits::preconditioner_warps>>
struct PreconditionerHead {
  static constexpr int K = Traits::K;
  static constexpr int threads = Team::threads;
  static constexpr int per_thread = (K + threads - 1) / threads;
  static constexpr bool parallel = Traits::preconditioner == PreconditionerAlgorithm::parallel;
  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;
  static constexpr PreconditionerLayout layout = preconditioner_layout(sizeof(Storage), K, Traits::preconditioner_warps,
                                                                       parallel, Forgetting<Traits>::per_channel);

  const ForwardParameters& p;
  const int head;
  const long long n;        // of the sequence
  const long long number;   // of the segment
  const bool last;          // of its sequence
  const Sequence sequence;  // what this CTA takes for one: the segment's part
  const bool continues;     // begins with what SegmentTurns left in its place
  const Storage* k_rows;
  unsigned char* shared;
  int parity = 0;  // of the reduction buffer that the next sum uses

  PreconditionerHead(const ForwardParameters& parameters, const Segment& work, int value_head, int first_byte = 0)
      : p(parameters),
        head(value_head),
        n(work.sequence),
        number(work.number),
        last(work.is_last()),
        sequence(work.part),
        continues(p.pass != 0 || (work.index > 0 && !cuts_d(p, work))) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    shared = shared_memory + first_byte;
    const int key_head = head / (p.value_heads / p.key_heads);
    k_rows = first_row(static_cast<const Storage*>(p.k), p.k_strides, sequence, key_head);
  }

  template <class T>
  T* at(int offset) const {
    return reinterpret_cast<T*>(shared + offset);
  }
  /// From one key of k_rows to the next.
  long long key_row() const { return p.k_strides.token; }

  /// Calls f(slot, feature) for this thread's features.
  template <class F>
  static void for_each_feature(F f) {
#pragma unroll
    for (int slot = 0; slot < per_thread; ++slot) {
      const int feature = Team::thread() + slot * threads;
      if (feature < K) f(slot, feature);
    }
  }

  /// Where a K-vector of this head's segment lies among those of all segments, and one of its sequence.
  long long of_segment() const {
    return (number * p.value_heads + head) * K;
  }
  long long of_sequence() const {
    return (n * p.value_heads + head) * K;
  }

  /// d that the segment begins with. A first guess is the sequence's, which is the first segment's own.
  void load_d(float (&d)[per_thread]) const {
    const bool is_cut = Traits::segmented && p.segment_d != nullptr;
    for_each_feature([&](int slot, int feature) {
      if (is_cut && continues) {
        d[slot] = p.segment_d[of_segment() + feature];
      } else {
        d[slot] = p.initial_d != nullptr ? p.initial_d[of_sequence() + feature] : 1.0F;
        if (is_cut) p.segment_d[of_segment() + feature] = d[slot];
      }
    });
  }

  void store_final_d(const float (&d)[per_thread]) const {
    // For a checkpoint behind the last chunk: the place of the chunk that would come next is nobody else's.
    if (last && p.checkpoint_d != nullptr && sequence.length % Traits::chunk == 0) store_boundary(d, sequence.length);
    if (Traits::segmented && p.segment_d != nullptr) {
      for_each_feature([&](int slot, int feature) { p.segment_ends[of_segment() + feature] = d[slot]; });
    } else if (p.final_d != nullptr) {
      for_each_feature([&](int slot, int feature) { p.final_d[of_sequence() + feature] = d[slot]; });
    }
  }

  /// d at the start of the chunk that begins with this token of the sequence.
  void store_boundary(const float (&d)[per_thread], long long token) const {
    const long long number = head * all_chunks<Traits::chunk>(p) + sequence.first_chunk + token / Traits::chunk;
    for_each_feature([&](int slot, int feature) { p.d_chunks[number * K + feature] = d[slot]; });
  }

  void store_gain(long long token, float gain) const {
    p.gain[head * all_tokens(p) + sequence.begin + token] = gain;
  }

  float load_b(long long token) const {
    return load_beta<Traits>(p, sequence, token, head);
  }

  /// The 16 sums over the CTA of each thread's x: lane l of every warp returns the sum of x[l % 16].
  float sum_16(float (&x)[16]) {
    const float in_warp = warp_sum_16(x);
    float* buffer = at<float>(layout.reduction) + parity * Traits::preconditioner_warps * 16;
    parity ^= 1;  // two buffers in turn: one barrier a sum is enough
    if (lane_id() % 2 == 0) buffer[warp_id() * 16 + lane_id() / 2] = in_warp;
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int w = 0; w < Traits::preconditioner_warps; ++w) sum += buffer[w * 16 + lane_id() % 16];
    return sum;
  }

  /// The sums over the CTA of each thread's x and y, in every thread.
  float2 sum_2(float x, float y) {
    x = warp_sum(x);
    y = warp_sum(y);
    if constexpr (Traits::preconditioner_warps == 1) return float2{x, y};
    float* buffer = at<float>(layout.reduction) + parity * Traits::preconditioner_warps * 16;
    parity ^= 1;
    if (lane_id() == 0) {
      buffer[warp_id() * 16] = x;
      buffer[warp_id() * 16 + 1] = y;
    }
    __syncthreads();
    float2 sum{0, 0};
#pragma unroll
    for (int w = 0; w < Traits::preconditioner_warps; ++w) {
      sum.x += buffer[w * 16];
      sum.y += buffer[w * 16 + 1];
    }
    return sum;
  }
};

}  // namespace osdn
