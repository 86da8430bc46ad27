// Checkpoints: the states of a sequence on its way, for prefixes that are kept and drafts that are taken back.
#pragma once

#include "osdn/axes.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// Where a checkpoint after this many tokens of the sequence goes: a row per `every` tokens of the whole batch. No two
/// sequences meet: a sequence with m checkpoints spans at least m multiples of `every`.
inline long long checkpoint_row(const ForwardParameters& p, long long begin, long long tokens_done) {
  return begin / p.checkpoint_every + tokens_done / p.checkpoint_every - 1;
}

/// The row of the checkpoint behind `done` tokens of a sequence or of a segment's part; negative: none falls due there.
/// The same row, counted in chunks, which fit in 32 bits wherever their tokens fit in memory: a division of 64 bits
/// would take registers that the state needs.
template <int chunk>
inline long long checkpoint_due(const ForwardParameters& p, const Sequence& s, long long done) {
  const auto chunks = static_cast<unsigned>((s.before + done) / chunk);
  if (done > s.length || chunks % p.checkpoint_chunks != 0) return -1;
  const auto begin = static_cast<unsigned>((s.begin - s.before) / chunk);
  return static_cast<long long>(begin / p.checkpoint_chunks) + chunks / p.checkpoint_chunks - 1;
}

/// d there: what the chunk that comes next begins with. Behind a sequence's last chunk, if that is full, there is a
/// place for one more, too (preconditioner_head.cuh).
template <class Traits>
inline void store_checkpoint_d(const ForwardParameters& p, const Sequence& s, int head, long long done, long long row,
                               int thread, int threads) {
  if constexpr (Traits::precondition == Precondition::osdn) {
    if (p.checkpoint_d == nullptr) return;
    const long long chunk = head * all_chunks<Traits::chunk>(p) + s.first_chunk + done / Traits::chunk;
    const float* const from = p.d_chunks + chunk * Traits::K;
    float* const to = p.checkpoint_d + (row * p.value_heads + head) * Traits::K;
    for (int c = thread; c < Traits::K; c += threads) to[c] = from[c];
  }
}

}  // namespace osdn
