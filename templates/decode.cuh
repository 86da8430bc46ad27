// The step kernel: a few new tokens of a sequence, token by token, exactly as the recurrence is written. One CTA per
// sequence, value head and block of value columns; a warp takes a tile of 16 columns at a time.
//
// Bound by memory: the state comes in once and goes out once, whatever the number of tokens. Its loads are issued
// before the tokens are looked at. No sum depends on what else is in the batch, nor on how a sequence's tokens are
// divided over launches.
#pragma once

#include "checkpoints.cuh"
#include "decode_tile.cuh"
#include "decode_tokens.cuh"
#include "layout.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// Row of a pool that a sequence has; negative: none.
inline long long slot_of(const int* slots, long long n) {
  return slots != nullptr ? slots[n] : n;
}

/// Tokens of a block, from the sequence's token `first` on, until the first checkpoint is due: divided once a block.
inline long long until_checkpoint(const ForwardParameters& p, bool wanted, long long first) {
  constexpr long long never = 1LL << 62;
  return wanted ? p.checkpoint_every - first % p.checkpoint_every : never;
}

/// What the CTA works on.
template <class Traits>
struct DecodeStep {
  using Tokens = DecodeTokens<Traits>;
  using Tile = DecodeTile<Traits>;
  using State = typename Tile::Storage;
  using Out = typename Tokens::Storage;
  static constexpr int tiles = Tokens::block_v / Tile::width;
  static constexpr int rounds = (tiles + Traits::warps - 1) / Traits::warps;

  const DecodeParameters& p;
  const int split;
  const int head;
  const Sequence sequence;
  const Tokens tokens;

  DecodeStep(const DecodeParameters& parameters, long long n, int value_head, int value_block)
      : p(parameters),
        split(value_block),
        head(value_head),
        sequence(find_sequence<decode_tokens>(parameters.pass, n)),
        tokens(parameters, value_head, value_block, sequence) {}

  /// Index of this CTA's columns in row `row` of a pool of states; of its features in one of d.
  long long in_states(long long row) const {
    return (row * p.pass.value_heads + head) * Traits::K * Traits::V + split * Tokens::block_v;
  }
  long long in_d(long long row) const { return (row * p.pass.value_heads + head) * Traits::K; }

  void load_d(float (&d)[Tokens::per_lane], const float* from) const {
    Tokens::for_each_feature([&](int slot, int feature) { d[slot] = from != nullptr ? from[feature] : 1.0F; });
  }
  void store_d(const float (&d)[Tokens::per_lane], float* to) const {
    Tokens::for_each_feature([&](int slot, int feature) { to[feature] = d[slot]; });
  }

  /// Write keys and scalars of a block. With a preconditioner one warp has the chain of d.
  void prepare(float (&d)[Tokens::per_lane], long long first, int count, bool keep_d) const {
    tokens.load(first, count);
    __syncthreads();
    if constexpr (Tokens::preconditioned) {
      if (warp_id() == 0) {
        long long until = until_checkpoint(p.pass, keep_d && p.pass.checkpoint_d != nullptr, first);
#pragma unroll 1
        for (int t = 0; t < count; ++t) {
          tokens.prepare(d, t);
          if (--until > 0) continue;
          store_d(d, p.pass.checkpoint_d + in_d(checkpoint_row(p.pass, sequence.begin, first + t + 1)));
          until = p.pass.checkpoint_every;
        }
      }
    } else {
#pragma unroll 1
      for (int t = warp_id(); t < count; t += Traits::warps) tokens.prepare(d, t);
    }
    __syncthreads();
  }

  void run(Tile& state, int tile, long long first, int count) const {
    long long until = until_checkpoint(p.pass, p.pass.checkpoint_state != nullptr, first);
#pragma unroll 1
    for (int t = 0; t < count; ++t) {
      const float o = state.step(tokens.token(t, tile * Tile::width));
      if (lane_id() >= 16) {
        Out* const to = first_row(static_cast<Out*>(p.pass.o), p.pass.o_strides, sequence, head) +
                        (first + t) * p.pass.o_strides.token + split * Tokens::block_v + tile * Tile::width;
        to[Tile::own_column()] = Tokens::Type::from_float(o);
      }
      if (--until > 0) continue;
      const long long row = checkpoint_row(p.pass, sequence.begin, first + t + 1);
      state.store(static_cast<State*>(p.pass.checkpoint_state) + in_states(row) + tile * Tile::width);
      until = p.pass.checkpoint_every;
    }
  }

  /// From a row of the pools that are read to one of those that are written; a negative target keeps nothing.
  void operator()(long long source, long long target) const {
    const auto* const states = static_cast<const State*>(static_cast<const void*>(p.pass.initial_state));
    const float* const d_in = p.pass.initial_d != nullptr ? p.pass.initial_d + in_d(source) : nullptr;
    const bool one_block = sequence.length <= decode_tokens;
    float d[Tokens::per_lane];
#pragma unroll 1
    for (int round = 0; round < rounds; ++round) {
      const int tile = warp_id() + round * Traits::warps;
      const bool works = tile < tiles;
      Tile state;
      state.load(works && states != nullptr ? states + in_states(source) + tile * Tile::width : nullptr);
      // Tokens that fit shared memory are made ready once, more of them for every round of tiles.
      const bool prepares = round == 0 || !one_block;
      if (prepares && (!Tokens::preconditioned || warp_id() == 0)) load_d(d, d_in);  // of the warp that moves it
      long long first = 0;
#pragma unroll 1
      do {
        if (first > 0) __syncthreads();  // every warp is done with the block that goes
        if (prepares && sequence.length > 0) prepare(d, first, count_from(first), round == 0);
        if (first == 0) state.unpack();
        if (works) run(state, tile, first, count_from(first));
        first += decode_tokens;
      } while (first < sequence.length);
      if (!one_block) __syncthreads();
      if (works && target >= 0 && p.pass.final_state != nullptr) {
        auto* const to = static_cast<State*>(static_cast<void*>(p.pass.final_state));
        state.store(to + in_states(target) + tile * Tile::width);
      }
    }
    if (warp_id() == 0 && split == 0 && target >= 0 && p.pass.final_d != nullptr) {
      store_d(d, p.pass.final_d + in_d(target));
    }
  }

  int count_from(long long first) const {
    const long long left = sequence.length - first;
    return static_cast<int>(left < decode_tokens ? left : decode_tokens);
  }
};

template <class Traits>
inline void decode(const DecodeParameters& p) {
  const int split = blockIdx.x % Traits::value_split;
  const int head = blockIdx.x / Traits::value_split % p.pass.value_heads;
  const long long n = blockIdx.x / Traits::value_split / p.pass.value_heads;
  const long long source = slot_of(p.slots, n);
  if (source < 0) return;  // padding
  const long long target = p.output_slots != nullptr ? p.output_slots[n] : source;
  const DecodeStep<Traits> step(p, n, head, split);
  const bool in_place = target == source && p.pass.final_state == p.pass.initial_state &&
                        (p.pass.final_d == p.pass.initial_d || p.pass.final_d == nullptr);
  if (in_place && step.sequence.length == 0) return;
  step(source, target);
}

}  // namespace osdn
