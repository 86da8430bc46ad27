// A block of new tokens of one sequence and head, made ready for the tiles in shared memory: k, q and v in fp32, write
// keys w = d ⊙ k, and the scalars of each token. d moves here, token by token, in the registers of one warp.
#pragma once

#include "decode_tile.cuh"
#include "device/element.cuh"
#include "device/vector.cuh"
#include "device/warp.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"
#include "write_scale.cuh"

namespace osdn {

/// 16 bytes of elements as numbers.
template <ElementType type>
inline void unpack_elements(const uint4& words, float* x) {
  using Type = Element<type>;
  using Storage = typename Type::Storage;
  const unsigned word[] = {words.x, words.y, words.z, words.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (type == ElementType::fp32) {
      x[i] = __uint_as_float(word[i]);
    } else {
      x[2 * i] = Type::to_float(static_cast<Storage>(word[i] & 0xffffU));
      x[2 * i + 1] = Type::to_float(static_cast<Storage>(word[i] >> 16));
    }
  }
}

template <class Traits>
struct DecodeTokens {
  static constexpr int K = Traits::K;
  static constexpr int block_v = Traits::V / Traits::value_split;
  static constexpr int threads = 32 * Traits::warps;
  static constexpr bool preconditioned = Traits::precondition != Precondition::none;
  static constexpr int per_lane = (K + 31) / 32;
  static constexpr DecodeLayout layout = decode_layout(K, block_v);
  using Type = Element<Traits::type>;
  using Storage = typename Type::Storage;

  const DecodeParameters& p;
  const int head;
  const int key_head;
  const int first_column;  // of the values
  const Sequence sequence;
  float* shared;

  DecodeTokens(const DecodeParameters& parameters, int value_head, int split, const Sequence& of)
      : p(parameters),
        head(value_head),
        key_head(value_head / (parameters.pass.value_heads / parameters.pass.key_heads)),
        first_column(split * block_v),
        sequence(of) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    shared = reinterpret_cast<float*>(shared_memory);
  }

  float* keys(int t) const { return shared + layout.keys + t * K; }
  float* queries(int t) const { return shared + layout.queries + t * K; }
  float* writes(int t) const { return shared + layout.writes + t * K; }
  float* values(int t) const { return shared + layout.values + t * block_v; }
  float& scalar(int row, int t) const { return shared[layout.scalars + row * decode_tokens + t]; }
  enum { key_scale_row, query_scale_row, overlap_row, beta_row, gamma_row };

  DecodeToken token(int t, int column) const {
    return {keys(t),
            queries(t),
            writes(t),
            values(t) + column,
            scalar(key_scale_row, t),
            scalar(query_scale_row, t),
            scalar(overlap_row, t),
            scalar(beta_row, t)};
  }

  /// Calls f(slot, feature) for this lane's features of d.
  template <class F>
  static void for_each_feature(F f) {
#pragma unroll
    for (int slot = 0; slot < per_lane; ++slot) {
      const int feature = lane_id() + 32 * slot;
      if (K % 32 == 0 || feature < K) f(slot, feature);
    }
  }

  /// Brings `count` tokens from the sequence's token `first` on into shared memory; all threads.
  void load(long long first, int count) const {
    constexpr int per_vector = 16 / sizeof(Storage);
    constexpr int key_vectors = K / per_vector;
    constexpr int vectors = 2 * key_vectors + block_v / per_vector;  // of a token: k, q, v
    float beta = 0;
    float gamma = 1;
    const bool has_scalars = threadIdx.x < count;
    if (has_scalars) {
      beta = load_beta<Traits>(p.pass, sequence, first + threadIdx.x, head);
      gamma = Forgetting<Traits>::gamma(p.pass, sequence, first + threadIdx.x, head);
    }
    // One loop over all three: at one token every thread has one load at most, and all are in flight at once.
    for (int i = threadIdx.x; i < count * vectors; i += threads) {
      const int t = i / vectors;
      const int vector = i % vectors;
      const long long token = first + t;
      const Storage* from;
      float* to;
      if (vector < 2 * key_vectors) {
        const bool is_key = vector < key_vectors;
        const int column = vector % key_vectors * per_vector;
        const RowStrides& strides = is_key ? p.pass.k_strides : p.pass.q_strides;
        from = first_row(static_cast<const Storage*>(is_key ? p.pass.k : p.pass.q), strides, sequence, key_head);
        from += token * strides.token + column;
        to = (is_key ? keys(t) : queries(t)) + column;
      } else {
        const int column = (vector - 2 * key_vectors) * per_vector;
        from = first_row(static_cast<const Storage*>(p.pass.v), p.pass.v_strides, sequence, head);
        from += token * p.pass.v_strides.token + first_column + column;
        to = values(t) + column;
      }
      float x[per_vector];
      unpack_elements<Traits::type>(load_16(global_address(from)), x);
#pragma unroll
      for (int j = 0; j < per_vector; j += 4) {
        *reinterpret_cast<float4*>(to + j) = float4{x[j], x[j + 1], x[j + 2], x[j + 3]};
      }
    }
    if constexpr (Forgetting<Traits>::per_channel) {  // γ waits where w will stand
      for (int i = threadIdx.x; i < count * K; i += threads) {
        writes(i / K)[i % K] = Forgetting<Traits>::gamma(p.pass, sequence, first + i / K, head, i % K);
      }
    }
    if (has_scalars) {
      scalar(beta_row, threadIdx.x) = beta;
      scalar(gamma_row, threadIdx.x) = gamma;
    }
  }

  /// One token's write key and scalars, by one warp; moves d.
  void prepare(float (&d)[per_lane], int t) const {
    float key[per_lane] = {};
    float query[per_lane] = {};
    float key_squares = 0;
    float query_squares = 0;
    float read = 0;     // ⟨d, k ⊙ k⟩
    float overlap = 0;  // ⟨d ⊙ k, q⟩
    for_each_feature([&](int slot, int feature) {
      key[slot] = keys(t)[feature];
      query[slot] = queries(t)[feature];
      const float write = d[slot] * key[slot];
      read = fmaf(write, key[slot], read);
      overlap = fmaf(write, query[slot], overlap);
      key_squares = fmaf(key[slot], key[slot], key_squares);
      query_squares = fmaf(query[slot], query[slot], query_squares);
    });
    read = warp_sum(read);
    overlap = warp_sum(overlap);
    key_squares = warp_sum(key_squares);
    if constexpr (Traits::qk_l2norm) query_squares = warp_sum(query_squares);
    const float key_scale = l2_norm_scale<Traits>(key_squares);
    const float query_scale = p.pass.scale * l2_norm_scale<Traits>(query_squares);
    const float beta = scalar(beta_row, t);
    if (lane_id() == 0) {
      scalar(key_scale_row, t) = key_scale;
      scalar(query_scale_row, t) = query_scale;
      scalar(overlap_row, t) = overlap * key_scale * query_scale;
    }
    float gain = 0;
    if constexpr (preconditioned) {
      const float b = Traits::beta_aware ? beta : 1.0F;
      const float z = 1.0F - b * (read * key_scale * key_scale);
      gain = p.pass.eta * b / hypergradient_norm<Traits>(key_squares * key_scale * key_scale, p.pass) * z;
    }
    const float gamma = scalar(gamma_row, t);
    for_each_feature([&](int slot, int feature) {
      const float normed = key[slot] * key_scale;
      const float forget = Forgetting<Traits>::per_channel ? writes(t)[feature] : gamma;
      writes(t)[feature] = d[slot] * normed;
      if constexpr (preconditioned) d[slot] = advance<Traits>(d[slot], forget, gain, normed * normed, p.pass);
    });
  }
};

}  // namespace osdn
