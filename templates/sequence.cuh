// Which sequence, head and chunk a CTA works on. The host never reads cu_seqlens: sequence n's first chunk has the
// number ⌊begin / C⌋ + n, so ⌊B·T / C⌋ + N numbers are always enough.
#pragma once

#include "device/element.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"

namespace osdn {

struct Sequence {
  long long begin;   // first token, counted over the whole batch
  long long length;  // tokens
  long long first_chunk;
  long long chunks;
  long long entry;   // of the batch; packed sequences are all in entry 0
  long long first;   // token within that entry
  long long before;  // tokens of the whole sequence that come before: of a segment's part
};

inline long long cu_seqlen(const ForwardParameters& p, long long n) {
  return p.cu_seqlens_is_int64 ? static_cast<const long long*>(p.cu_seqlens)[n]
                               : static_cast<const int*>(p.cu_seqlens)[n];
}

template <int chunk>
inline Sequence find_sequence(const ForwardParameters& p, long long n) {
  Sequence s;
  s.begin = p.cu_seqlens != nullptr ? cu_seqlen(p, n) : n * p.tokens;
  s.length = p.cu_seqlens != nullptr ? cu_seqlen(p, n + 1) - s.begin : p.tokens;
  s.first_chunk = s.begin / chunk + n;
  s.chunks = (s.length + chunk - 1) / chunk;
  s.entry = p.cu_seqlens != nullptr ? 0 : n;
  s.first = p.cu_seqlens != nullptr ? s.begin : 0;
  s.before = 0;
  return s;
}

/// The row of a sequence's first token and a head in a tensor; the next token's is strides.token further on. All that
/// reads or writes a tensor of the batch comes from here.
template <class T>
inline T* first_row(T* tensor, const RowStrides& strides, const Sequence& s, int head) {
  return tensor + (s.entry * strides.batch + s.first * strides.token + head * strides.head);
}

/// A stretch of a sequence that a CTA works on as if it were one. The last one of a sequence may be short; a sequence
/// without tokens has an empty one, which passes its initial states on.
struct Segment {
  long long sequence;
  long long index;   // among the sequence's
  long long count;   // of the sequence, at least 1
  long long number;  // over the whole batch: first_segment(n) + index
  Sequence part;

  bool exists() const { return index < count; }
  bool is_last() const { return index + 1 == count; }
};

/// Packed: ⌊begin / segment⌋ + n, as chunks are numbered; else all sequences have as many segments.
inline long long first_segment(const ForwardParameters& p, long long n) {
  return p.cu_seqlens != nullptr ? cu_seqlen(p, n) / p.segment + n : p.segments / p.sequences * n;
}

/// Where the operator of a segment lies among those of all segments that are neither the first nor the last of their
/// sequence: ⌊B·T / segment⌋ − 1 places are enough.
inline long long operator_number(const ForwardParameters& p, const Segment& segment) {
  const long long ends = p.cu_seqlens != nullptr ? segment.sequence : 2 * segment.sequence;
  return segment.number - ends - 1;
}

template <int chunk>
inline Segment segment_of(const ForwardParameters& p, long long n, long long index) {
  const Sequence whole = find_sequence<chunk>(p, n);
  Segment s;
  s.sequence = n;
  s.index = index;
  s.count = whole.length > p.segment ? (whole.length - 1) / p.segment + 1 : 1;
  s.number = first_segment(p, n) + index;
  const long long first = index * p.segment;
  const long long left = whole.length - first;
  s.part.begin = whole.begin + first;
  s.part.length = left < p.segment ? left : p.segment;
  s.part.first_chunk = whole.first_chunk + first / chunk;
  s.part.chunks = (s.part.length + chunk - 1) / chunk;
  s.part.entry = whole.entry;
  s.part.first = whole.first + first;
  s.part.before = first;
  return s;
}

/// The segment of a number. Numbers grow with sequences by at least one each, so a search finds the sequence. Some
/// numbers have no segment.
template <int chunk>
inline Segment find_segment(const ForwardParameters& p, long long number) {
  long long low = 0;
  long long high = p.sequences - 1;
  while (low < high) {
    const long long middle = low + (high - low + 1) / 2;
    if (first_segment(p, middle) <= number) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return segment_of<chunk>(p, low, number - first_segment(p, low));
}

/// What item number `item` of a kernel's grid works on: a segment where the kernels are made for cutting, else a
/// sequence.
template <class Traits>
inline Segment find_work(const ForwardParameters& p, long long item) {
  if constexpr (Traits::segmented) return find_segment<Traits::chunk>(p, item);
  return Segment{item, 0, 1, item, find_sequence<Traits::chunk>(p, item)};
}

/// Tokens of the whole batch: B·T.
inline long long all_tokens(const ForwardParameters& p) {
  return p.cu_seqlens != nullptr ? p.tokens : p.sequences * p.tokens;
}

template <int chunk>
inline long long all_chunks(const ForwardParameters& p) {
  return all_tokens(p) / chunk + p.sequences;
}

/// β of a sequence's token and a value head, in either type it may be stored in.
template <class Traits>
inline float load_beta(const ForwardParameters& p, const Sequence& s, long long token, int head) {
  const long long i = token * p.beta_strides.token;
  if constexpr (Traits::beta_type == BetaType::fp32) {
    return first_row(static_cast<const float*>(p.beta), p.beta_strides, s, head)[i];
  } else {
    using Type = Element<Traits::type>;
    return Type::to_float(first_row(static_cast<const typename Type::Storage*>(p.beta), p.beta_strides, s, head)[i]);
  }
}

}  // namespace osdn
