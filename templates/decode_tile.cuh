// The state of 16 value columns as a warp of the step kernel holds it, and one token's effect on it.
//
// A lane holds 16 bytes of every row it owns (4 columns of fp32, 8 of bf16), so a warp's load covers whole 32-byte
// sectors. The sums over the features, hᵀk and hᵀq, are folded over the lanes that share columns: 16 columns × 2 sums
// end as one sum a lane, k's in the lower half of the warp and q's in the upper.
#pragma once

#include "device/element.cuh"
#include "device/vector.cuh"
#include "device/warp.cuh"
#include "osdn/axes.hpp"

namespace osdn {

/// How a state is stored.
template <StateType type>
using StateElement = Element<type == StateType::bf16 ? ElementType::bf16 : ElementType::fp32>;

/// 16 bytes as they were loaded, held where their numbers will stand: nothing waits for a load before it is unpacked,
/// and it takes no registers of its own.
template <StateType type>
inline void hold_words(const uint4& words, float* x) {
  constexpr int apart = type == StateType::fp32 ? 1 : 2;
  x[0] = __uint_as_float(words.x);
  x[apart] = __uint_as_float(words.y);
  x[2 * apart] = __uint_as_float(words.z);
  x[3 * apart] = __uint_as_float(words.w);
}

template <StateType type>
inline void unpack_words(float* x) {
  if constexpr (type == StateType::bf16) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const unsigned word = __float_as_uint(x[2 * i]);
      x[2 * i] = __uint_as_float(word << 16);
      x[2 * i + 1] = __uint_as_float(word & 0xffff0000U);
    }
  }
}

/// Rounds to nearest even where the type is not fp32.
template <StateType type>
inline uint4 pack_state(const float* x) {
  if constexpr (type == StateType::fp32) {
    return uint4{__float_as_uint(x[0]), __float_as_uint(x[1]), __float_as_uint(x[2]), __float_as_uint(x[3])};
  } else {
    using Type = StateElement<type>;
    return uint4{Type::pack(x[0], x[1]), Type::pack(x[2], x[3]), Type::pack(x[4], x[5]), Type::pack(x[6], x[7])};
  }
}

/// `count` numbers that lie together, in one access.
template <int count>
inline void load_together(float* x, const float* shared) {
  if constexpr (count == 4) {
    const float4 y = *reinterpret_cast<const float4*>(shared);
    x[0] = y.x, x[1] = y.y, x[2] = y.z, x[3] = y.w;
  } else if constexpr (count == 2) {
    const float2 y = *reinterpret_cast<const float2*>(shared);
    x[0] = y.x, x[1] = y.y;
  } else {
    x[0] = *shared;
  }
}

/// Halves the sums with the lane whose id differs in bit `distance`: each keeps one half and sends the other.
template <int half, int distance, int count>
inline void fold_over(float (&x)[count]) {
  const bool upper = (lane_id() & distance) != 0;
#pragma unroll
  for (int i = 0; i < half; ++i) {
    const float sent = upper ? x[i] : x[i + half];
    const float kept = upper ? x[i + half] : x[i];
    x[i] = kept + __shfl_xor_sync(all_lanes, sent, distance);
  }
  if constexpr (half > 1) fold_over<half / 2, distance / 2>(x);
}

/// A token as the tiles read it, in shared memory.
struct DecodeToken {
  const float* key;    // k as stored
  const float* query;  // q as stored
  const float* write;  // w = d ⊙ k, of the normed key
  const float* value;  // v of this tile's columns
  float key_scale;     // of hᵀk
  float query_scale;   // of hᵀq: the output's scale and the query's norm
  float overlap;       // ⟨w, q⟩ with the same factors: what the write adds to the output
  float beta;
};

template <class Traits>
struct DecodeTile {
  using Storage = typename StateElement<Traits::state_type>::Storage;
  static constexpr int width = 16;                      // value columns of a tile
  static constexpr int columns = 16 / sizeof(Storage);  // of a lane
  static constexpr int column_lanes = width / columns;
  static constexpr int row_lanes = 32 / column_lanes;
  static constexpr int rows = Traits::K / row_lanes;  // of a lane
  static constexpr int together = rows % 4 == 0 ? 4 : rows % 2 == 0 ? 2 : 1;

  float h[rows][columns];

  /// The feature of a lane's row is lane_feature() + ahead(row), the second known when the kernel is compiled.
  static int lane_feature() { return lane_id() / column_lanes * together; }
  static constexpr int ahead(int row) { return row / together * (together * row_lanes) + row % together; }
  static constexpr unsigned ahead_bytes(int row) { return ahead(row) * Traits::V * sizeof(Storage); }
  static unsigned long long lane_address(const Storage* state) {
    return global_address(state + lane_feature() * Traits::V + lane_columns());
  }
  static int lane_columns() { return lane_id() % column_lanes * columns; }
  /// The column whose sums this lane ends up with.
  static int own_column() { return lane_columns() + lane_id() / column_lanes % columns; }

  /// Issues the loads; unpack() before the first step. `state` is the tile's first column of the head's first row;
  /// null: zeros.
  void load(const Storage* state) {
    const unsigned long long lane = lane_address(state);
    if (state == nullptr) {
#pragma unroll
      for (int i = 0; i < rows; ++i) hold_words<Traits::state_type>(uint4{0, 0, 0, 0}, h[i]);
      return;
    }
#pragma unroll
    for (int i = 0; i < rows; ++i) hold_words<Traits::state_type>(load_16(lane + ahead_bytes(i)), h[i]);
  }

  void unpack() {
#pragma unroll
    for (int i = 0; i < rows; ++i) unpack_words<Traits::state_type>(h[i]);
  }

  void store(Storage* state) const {
    const unsigned long long lane = lane_address(state);
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      store_16(lane + ahead_bytes(i), pack_state<Traits::state_type>(h[i]));
    }
  }

  /// u = β (v − hᵀk), then h += w uᵀ. Returns o = scale hᵀq of the new state as hᵀq of the old one + ⟨w, q⟩ u, of
  /// own_column(), in the upper half of the warp.
  float step(const DecodeToken& token) {
    float sums[2 * columns] = {};
#pragma unroll
    for (int i = 0; i < rows; i += together) {
      float key[together];
      float query[together];
      load_together<together>(key, token.key + lane_feature() + ahead(i));
      load_together<together>(query, token.query + lane_feature() + ahead(i));
#pragma unroll
      for (int r = 0; r < together; ++r) {
#pragma unroll
        for (int j = 0; j < columns; ++j) {
          sums[j] = fmaf(h[i + r][j], key[r], sums[j]);
          sums[columns + j] = fmaf(h[i + r][j], query[r], sums[columns + j]);
        }
      }
    }
    fold_over<columns, 16>(sums);
    float u = token.beta * (token.value[own_column()] - token.key_scale * sums[0]);
    u = __shfl_sync(all_lanes, u, lane_id() % 16);
    const float output = fmaf(token.query_scale, sums[0], token.overlap * u);
    float update[columns];
#pragma unroll
    for (int j = 0; j < columns; ++j) {
      update[j] = __shfl_sync(all_lanes, u, j * column_lanes + lane_id() % column_lanes);
    }
#pragma unroll
    for (int i = 0; i < rows; i += together) {
      float write[together];
      load_together<together>(write, token.write + lane_feature() + ahead(i));
#pragma unroll
      for (int r = 0; r < together; ++r) {
#pragma unroll
        for (int j = 0; j < columns; ++j) h[i + r][j] = fmaf(write[r], update[j], h[i + r][j]);
      }
    }
    return output;
  }
};

}  // namespace osdn
