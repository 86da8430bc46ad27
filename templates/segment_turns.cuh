// Which segments a CTA of the cut preconditioner replays. Little is kept from one to the next: a replay wants the
// registers, and what it costs to find a segment again is nothing beside it.
#pragma once

#include "segment_entries.cuh"
#include "sequence.cuh"

namespace osdn {

template <class Traits>
struct SegmentTurns {
  static constexpr int K = Traits::K;
  static constexpr int threads = 32 * Traits::preconditioner_warps;

  const ForwardParameters& p;
  int n;                 // the sequence
  int index;             // of the segment at hand
  int end;               // behind the last segment of this CTA
  bool in_turn = false;  // d of this sequence is not cut, and this is its first segment's CTA: it replays all of them
  int replayed = 0;

  SegmentTurns(const ForwardParameters& parameters, long long item) : p(parameters) {
    if (settles()) {
      n = static_cast<int>(item);
      index = 0;
      end = static_cast<int>(at(0).count);
      if (rounds()[0] != 0) index = end;
    } else {
      const Segment start = find_segment<Traits::chunk>(p, item);
      n = static_cast<int>(start.sequence);
      index = static_cast<int>(start.index);
      const bool is_whole = is_cut() && !cuts_d(p, start);
      in_turn = is_whole && p.pass == 0 && index == 0;
      end = in_turn ? static_cast<int>(start.count) : start.exists() && !is_whole ? index + 1 : index;
    }
  }

  bool is_cut() const { return p.segment_d != nullptr; }
  /// Takes all segments of a sequence in turn: exact whatever the rounds came to.
  bool settles() const { return is_cut() && p.pass == settle_pass; }
  static int head(const ForwardParameters& p) { return static_cast<int>(blockIdx.x % p.value_heads); }
  int* rounds() const { return p.cut_rounds + 2 * (static_cast<long long>(n) * p.value_heads + head(p)); }
  Segment at(long long i) const { return segment_of<Traits::chunk>(p, n, i); }
  Segment segment() const { return at(index); }

  /// Whether the segment at hand is to be replayed; if so, its entry is in its place. All threads of the CTA.
  bool is_due() {
    if (!is_cut()) return true;
    const long long item = segment().number * p.value_heads + head(p);
    if (in_turn) {
      if (index > 0) pass_on(item);
      if (threadIdx.x == 0) {
        rounds()[0] = -1;
        rounds()[1] = 0;
      }
      return true;
    }
    if (!settles()) {
      if (p.pass != 0) return p.segment_moves[item] != stands_still;
      if (index == 0 && threadIdx.x == 0) rounds()[0] = rounds()[1] = 0;
      return true;
    }
    if (index == 0) return false;  // begins with what is given
    bool moved = false;            // however little: what comes behind it may be sensitive to that
    for (int c = threadIdx.x; c < K; c += threads) {
      moved |= !(p.segment_d[item * K + c] == p.segment_ends[(item - p.value_heads) * K + c]);
    }
    if (!__syncthreads_or(moved)) return false;
    pass_on(item);
    ++replayed;
    return true;
  }

  /// The segment begins with what the one before ended with. Each thread moves what it has written, and will read.
  void pass_on(long long item) const {
    for (int c = threadIdx.x; c < K; c += threads) {
      p.segment_d[item * K + c] = p.segment_ends[(item - p.value_heads) * K + c];
    }
  }

  /// d behind the sequence goes where it is wanted, now that nobody reads the initial one any more.
  void finish() const {
    if (!settles() && !in_turn) return;
    const Segment last = at(at(0).count - 1);
    for (int c = threadIdx.x; c < K; c += threads) {
      if (p.final_d == nullptr) break;
      p.final_d[(static_cast<long long>(n) * p.value_heads + head(p)) * K + c] =
          p.segment_ends[(last.number * p.value_heads + head(p)) * K + c];
    }
    if (threadIdx.x == 0 && replayed != 0) rounds()[1] = replayed;
  }
};

}  // namespace osdn
