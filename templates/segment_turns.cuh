// Which segments a CTA of the cut preconditioner replays.
#pragma once

#include "segment_entries.cuh"
#include "sequence.cuh"

namespace osdn {

template <class Traits>
struct SegmentTurns {
  static constexpr int K = Traits::K;
  static constexpr int threads = 32 * Traits::warps;

  const ForwardParameters& p;
  const int head;
  const bool is_cut;
  const bool settles;  // takes all segments of a sequence in turn: exact whatever the rounds came to
  const Segment start;
  int* const rounds;  // of this sequence and head
  int replayed = 0;

  SegmentTurns(const ForwardParameters& parameters, long long item, int value_head)
      : p(parameters),
        head(value_head),
        is_cut(parameters.segment_d != nullptr),
        settles(is_cut && parameters.pass == settle_pass),
        start(settles ? segment_of<Traits::chunk>(parameters, item, 0) : find_segment<Traits::chunk>(parameters, item)),
        rounds(parameters.cut_rounds + 2 * (start.sequence * parameters.value_heads + value_head)) {}

  /// The first segment to look at, and the index behind the last.
  long long first() const { return settles && rounds[0] != 0 ? start.count : start.index; }
  long long end() const { return settles ? start.count : start.exists() ? start.index + 1 : start.index; }

  Segment at(long long index) const { return segment_of<Traits::chunk>(p, start.sequence, index); }

  /// Whether the segment is to be replayed; if so, its entry is in its place. All threads of the CTA.
  bool is_due(const Segment& segment) {
    if (!is_cut) return true;
    const long long item = segment.number * p.value_heads + head;
    if (!settles) {
      if (p.pass != 0) return p.segment_moves[item] != stands_still;
      if (segment.index == 0 && threadIdx.x == 0) rounds[0] = rounds[1] = 0;
      return true;
    }
    if (segment.index == 0) return false;  // begins with what is given
    bool moved = false;                    // however little: what comes behind it may be sensitive to that
    for (int c = threadIdx.x; c < K; c += threads) {
      moved |= !(p.segment_d[item * K + c] == p.segment_ends[(item - p.value_heads) * K + c]);
    }
    if (!__syncthreads_or(moved)) return false;
    for (int c = threadIdx.x; c < K; c += threads) {
      p.segment_d[item * K + c] = p.segment_ends[(item - p.value_heads) * K + c];
    }
    ++replayed;
    return true;
  }

  /// d behind the sequence goes where it is wanted, now that nobody reads the initial one any more.
  void finish() const {
    if (!settles) return;
    const Segment last = at(start.count - 1);
    for (int c = threadIdx.x; c < K; c += threads) {
      if (p.final_d == nullptr) break;
      p.final_d[(start.sequence * p.value_heads + head) * K + c] =
          p.segment_ends[(last.number * p.value_heads + head) * K + c];
    }
    if (threadIdx.x == 0 && replayed != 0) rounds[1] = replayed;
  }
};

}  // namespace osdn
